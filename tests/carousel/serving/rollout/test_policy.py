"""The version policies of the settings file are followed as it changes, without a restart."""

import re
import signal
import subprocess
import sys
import time

import pytest

from carousel.client import Client
from carousel.serving import Policies
from carousel.settings import SettingsRefused, read_policies, read_settings

ALL = '[models.small]\nversions = "all"\nlabels = { stable = 1 }\n'


def test_a_changed_file_is_read_again_and_a_damaged_one_changes_nothing(tmp_path, caplog):
    """Who edits the file by hand may leave it half-written for a moment."""
    file = tmp_path / "carousel.toml"
    file.write_text("keep_versions = 2\n")
    policies = Policies(2, {}, file, read_policies)
    policies.refresh()
    assert policies.of("small") == (frozenset(), 2)
    file.write_text(ALL)
    policies.refresh()
    assert policies.of("small") == (frozenset({1}), None)
    assert policies.labels == {"small": {"stable": 1}}
    for damaged in ('[models.small]\nversions = "some"\n', "[models.small", "[models.small]\nkeep = 2\n"):
        file.write_text(damaged)
        policies.refresh()
        policies.refresh()
        assert policies.of("small") == (frozenset({1}), None)
    file.unlink()
    policies.refresh()
    assert policies.of("small") == (frozenset({1}), None)
    assert caplog.text.count("the version policies stay as they were") == 4


def test_a_models_own_table_says_whether_its_rows_share_tensorflows_calls(tmp_path):
    """Before the setting for all models, and as the file says now."""
    file = tmp_path / "carousel.toml"
    file.write_text("[models.small]\ntensorflow_batches = false\n")
    policies = Policies(1, {}, file, read_policies, tensorflow_batches=True)
    policies.refresh()
    assert [policies.tensorflow_batches(name) for name in ("small", "other")] == [False, True]
    file.write_text("[models.small]\ntensorflow_batches = true\n")
    policies.refresh()
    assert policies.tensorflow_batches("small")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("versions = [0]", "models: input should be greater than or equal to 1"),
        ("versions = [9223372036854775808]", "models: input should be less than or equal to 9223372036854775807"),
        ('versions = "all"\nkeep_versions = 1', "models: keep_versions and versions exclude each other"),
        ('labels = { "7" = 7 }', "models: labels: '7' is no name: numbers are versions"),
        ("label = 1", "models: extra inputs are not permitted"),
    ],
)
def test_a_policy_that_cannot_be_followed_is_refused_at_the_start(tmp_path, table, words):
    """As every other fault of the settings."""
    file = tmp_path / "carousel.toml"
    file.write_text(f"[models.small]\n{table}\n")
    with pytest.raises(SettingsRefused, match=re.escape(words)):
        read_settings({"config": str(file)}, {})


@pytest.fixture
def serve():
    """Start `carousel serve` with these flags; return the process and its address."""
    running = []

    def start(repository, *flags):
        free = ["--host=127.0.0.1", "--port=0", "--http-host=127.0.0.1", "--http-port=0", "--drain-notice-seconds=0"]
        command = [sys.executable, "-m", "carousel", "serve", f"--repository={repository}", "--engine=onnx", *free]
        process = subprocess.Popen([*command, *flags], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        running.append(process)
        return process, process.stdout.readline().removeprefix("gRPC on ").split(",")[0]

    yield start
    for process in running:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("workers", [1, 2])
def test_sighup_has_a_server_and_its_workers_read_the_file_at_once(only, tmp_path, serve, workers):
    """SIGHUP ends no process, and is not held up by the time between two looks."""
    repository, file = only("small"), tmp_path / "carousel.toml"
    (repository / "small" / "2").symlink_to((repository / "small" / "1").resolve())
    file.write_text("poll_seconds = 3600\n")
    process, target = serve(repository, f"--config={file}", f"--workers={workers}")
    file.write_text("poll_seconds = 3600\n" + ALL)
    assert [version for version, _ in served(target)] == [2]
    process.send_signal(signal.SIGHUP)
    until(lambda: all([version for version, _ in served(target)] == [1, 2] for _ in range(8)))
    process.terminate()
    assert process.wait(60) == 0


def test_other_content_under_the_same_number_reaches_every_worker(only, repository, tmp_path, serve):
    """Two workers do not go on with two truths."""
    folder = only("small")
    _, target = serve(folder, "--workers=2", "--poll-seconds=0.1", "--settle-seconds=0.1")
    before = served(target)
    (tmp_path / "other").symlink_to(repository / "relu50" / "1")
    (tmp_path / "other").replace(folder / "small" / "1")
    until(lambda: before not in (seen := [served(target) for _ in range(12)]) and len(set(map(tuple, seen))) == 1)
    assert [version for version, _ in served(target)] == [1]


def served(target):
    """List the versions that take requests, with their fingerprints, over a connection of its own to some worker."""
    with Client(target) as client:
        return [(model.version, model.fingerprint) for model in client.list_models(timeout=30)]


def until(true):
    """Wait until `true()` is."""
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)
