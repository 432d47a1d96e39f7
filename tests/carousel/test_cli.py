"""The command teaches, answers, and ends as it should."""

import json
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from urllib.request import urlopen

import numpy as np
import pytest

from carousel.cli import main
from carousel.client import Client

COMMANDS = ("train", "tune", "export", "serve", "predict", "inspect", "demo")


@pytest.fixture
def target(serving):
    return serving.target


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert "usage: carousel" in capsys.readouterr().out


def test_predict_prints_what_the_server_answers(target, client, tmp_path, capsys):
    steps = np.random.default_rng(0).standard_normal((5, 64)).astype(np.float32)
    np.savetxt(tmp_path / "steps.csv", steps, delimiter=",", fmt="%.9g")
    np.save(tmp_path / "steps.npy", steps)
    [expected] = client.predict("stack", [steps])
    for file in ("steps.csv", "steps.npy"):
        assert main(["predict", "stack", str(tmp_path / file), "--target", target]) == 0
        printed = np.array(json.loads(capsys.readouterr().out), np.float32)
        assert printed.tobytes() == expected.output.tobytes()


def test_predict_says_what_is_wrong(target, tmp_path, capsys):
    (tmp_path / "bad.csv").write_text("1,2\n3,x\n")
    assert main(["predict", "stack", str(tmp_path / "bad.csv"), "--target", target]) == 1
    assert "bad.csv" in capsys.readouterr().err
    (tmp_path / "narrow.csv").write_text("1,2\n3,4\n")
    assert main(["predict", "stack", str(tmp_path / "narrow.csv"), "--target", target]) == 1
    assert "has input_dim 2, the model takes 64" in capsys.readouterr().err


def test_inspect_shows_a_version_on_disk_and_a_server(target, repository, capsys):
    assert main(["inspect", str(repository / "stack" / "1")]) == 0
    on_disk = capsys.readouterr().out
    assert "inputs float32 [?, ?, 64]" in on_disk
    assert "engine       onnx" in on_disk
    assert "equal bits   yes" in on_disk
    assert main(["inspect", "--target", target]) == 0
    assert "stack version 1 on onnx" in capsys.readouterr().out


def test_serve_refuses_settings_it_cannot_use(capsys):
    assert main(["serve", "--port", "99999", "--engine", "abacus"]) == 2
    said = capsys.readouterr().err
    assert "port: Input should be less than or equal to 65535, got '99999'" in said
    assert "engine: Input should be 'auto', 'onnx' or 'tensorflow', got 'abacus'" in said


def test_sigterm_finishes_what_was_admitted_and_ends_with_status_zero(only):
    command = [sys.executable, "-m", "carousel", "serve", "--repository", str(only("small")), "--host", "127.0.0.1"]
    loopback = ["--port", "0", "--http-host", "127.0.0.1", "--http-port", "0", "--drain-notice-seconds", "0"]
    process = subprocess.Popen([*command, *loopback], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        target, page = process.stdout.readline().removeprefix("gRPC on ").strip().split(", metrics on ")
        with Client(target) as client, ThreadPoolExecutor(1) as asking:
            client.wait_until_serving(timeout=60)
            assert not running(page)
            steps = np.ones((900_000, 3), np.float32)
            answer = asking.submit(client.predict, "small", [steps], return_sequences=True, timeout=60)
            while not running(page) and not answer.done():
                pass
            assert not answer.done()
            process.send_signal(signal.SIGTERM)
            assert answer.result()[0].output.shape == (900_000, 2)
        assert process.wait(30) == 0, process.stderr.read()
    finally:
        process.kill()
        process.communicate()


def running(page):
    [gauge] = re.findall(r"^carousel_sequences_running\{.*\} (.*)$", urlopen(page).read().decode(), re.MULTILINE)
    return float(gauge)
