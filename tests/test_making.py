"""What CONTRIBUTING.md and the glossary say of files, commands, `make quick` and commits holds."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

NEEDS = """
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from carousel.transport import Server


def test_needs_nothing():
    pass


def test_needs_keras():
    import keras


def test_needs_a_process():
    subprocess.run([sys.executable, "--version"])


def test_needs_a_server_of_ours():
    Server({})


def test_needs_a_server():
    grpc.server(ThreadPoolExecutor(1))
"""


def test_quick_skips_what_needs_keras_a_server_or_a_process(tmp_path):
    """By what a test does, not by a list."""
    (tmp_path / "test_needs.py").write_text(NEEDS)
    command = [sys.executable, "-m", "pytest", "-p", "tests.quick", "-rA", "-c", "/dev/null", "--rootdir", tmp_path]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", tmp_path], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "1 passed, 4 skipped" in done.stdout, done.stdout
    assert "PASSED" in done.stdout
    for reason in ("imports keras", "starts a process", "starts a server"):
        assert reason in done.stdout


def test_a_commit_runs_make_check(tmp_path):
    """The hook runs it, and a check that fails stops the commit."""
    (tmp_path / ".pre-commit-config.yaml").write_text((ROOT / ".pre-commit-config.yaml").read_text())
    (tmp_path / "Makefile").write_text("check:\n\t@echo checked; false\n")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "--all"], cwd=tmp_path, check=True)
    hook = [Path(sys.executable).with_name("pre-commit"), "run"]
    done = subprocess.run(hook, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "checked" in done.stdout


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/glossary.md"])
def test_files_that_a_page_names_are_there(page):
    """From the root, or from service/carousel/ where the page says so."""
    named = set(re.findall(r"[`(]([\w.-]+(?:/[\w.-]+)+|\w+\.(?:py|md|toml|txt))[`)]", (ROOT / page).read_text()))
    named -= {".venv/bin/pre-commit"}
    made = [name for name in named if name.startswith("build/")]
    places = (ROOT, ROOT / "service" / "carousel")
    assert len(named) > len(made)
    assert [name for name in sorted(named - {*made}) if not any((place / name).exists() for place in places)] == []


def test_every_make_command_of_a_page_is_a_target():
    """In CONTRIBUTING.md and README.md."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in ("CONTRIBUTING.md", "README.md"):
        commands = set(re.findall(r"(?:^|`)make ([a-z-]+)", (ROOT / page).read_text(), re.MULTILINE))
        assert commands - targets == set(), page


def test_the_glossary_has_twenty_words_and_is_linked():
    """In the order of the alphabet, and found from where a reader begins."""
    words = re.findall(r"^\*\*(.+?)\*\*: ", (ROOT / "docs/glossary.md").read_text(), re.MULTILINE)
    assert len(words) == 20
    assert words == sorted(words)
    for page in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"):
        assert "(docs/glossary.md)" in (ROOT / page).read_text()
