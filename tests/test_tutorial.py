"""docs/tutorial.md, followed word by word: its programs, its commands, and every output that it shows."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "tutorial.md").read_text()
INSTALL = (
    "pip install 'lstm-carousel[train]'"  # what these tests run in has it; tests/test_package.py installs the wheel
)
SERVE = "carousel serve --repository repository"
LOOPBACK = ["--host=127.0.0.1", "--port=0", "--http-host=127.0.0.1", "--http-port=0", "--drain-notice-seconds=0"]
PATIENCE = 30  # seconds for a version to be swapped: "a second or two", the page says


def blocks():
    """Give the page in its order: the prose before each block, its language, its text."""
    prose = ""
    for part in re.split(r"(```\w+\n.*?```)", PAGE, flags=re.DOTALL):
        block = re.fullmatch(r"```(\w+)\n(.*?)\n?```", part, re.DOTALL)
        if block:
            yield prose, block[1], block[2]
        prose = part


def shows(text, printed):
    """Whether a command printed what the page shows; a line of dots stands for any lines."""
    parts = [re.escape(part.strip("\n")) for part in re.split(r"^\.\.\.$", text, flags=re.MULTILINE)]
    return re.fullmatch(r"[\s\S]*".join(parts), printed.strip("\n")) is not None


def test_dots_alone_may_be_anything():
    """What compares the outputs can fail."""
    assert shows("a\n...", "a\nb\nc")
    assert shows("a", "a\n")
    assert not shows("a", "a\nb")
    assert not shows("a\n...", "b\nc")


@pytest.fixture
def served(tmp_path):
    """Give functions that begin to serve and that run a command, in a folder of their own."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    servers, ports = [], {}

    def serve():
        with (tmp_path / "log").open("w") as log:
            server = subprocess.Popen(
                [*SERVE.split(), *LOOPBACK],
                cwd=tmp_path,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        servers.append(server)
        grpc, http = re.findall(r"127\.0\.0\.1:\d+", server.stdout.readline())
        ports.update({"localhost:8500": grpc, "localhost:8501": http})

    def here(text):
        for port, ours in ports.items():
            text = text.replace(port, ours)
        return text

    def run(command):
        options = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True, "timeout": 240}
        done = subprocess.run(here(command), shell=True, check=False, **options)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    yield serve, run, lambda name, text: (tmp_path / name).write_text(here(text))
    for server in servers:
        server.terminate()
        assert server.wait(60) == 0


def test_each_step_prints_what_the_page_shows(served):
    """Every program and command in its order; what is not there at once, such as a swap, is asked for again."""
    serve, run, write = served
    compared, command = 0, None
    for prose, language, text in blocks():
        if language == "python":
            write(re.findall(r"`(\w+\.py)`", prose)[-1], text)
        elif language == "sh" and text == SERVE:
            serve()
        elif language == "sh" and text != INSTALL:
            command, printed = text, None
            following = PAGE.partition(f"```sh\n{text}\n```\n")[2]
            if "inspect" not in text or not following.startswith("```text"):
                printed = run(command)
        elif language == "text" and prose == "\n":
            end = time.monotonic() + PATIENCE
            while printed is None or (not shows(text, printed) and "inspect" in command and time.monotonic() < end):
                printed = run(command)
            assert shows(text, printed), f"{command} printed\n{printed}\nand the page shows\n{text}"
            compared += 1
    assert compared == PAGE.count("```\n```text")
    assert compared > 6
