"""What a process need not hold, it does not import: said by a fresh interpreter."""

import subprocess
import sys

import pytest

SERVER_SIDE = ("onnxruntime", "pydantic", "pydantic_settings", "prometheus_client", "tensorflow", "keras")
OTHERS_STUBS = ("carousel.stubs.oip", "tritonclient")
"""The Open Inference messages: a user's process may hold tritonclient's own copy, and two of one name clash."""

COMMAND = """
from carousel.cli import main
try:
    main({arguments})
except SystemExit:
    pass
"""


def imported(program):
    """The modules that a program has imported when it ends."""
    command = [sys.executable, "-c", f"{program}\nimport sys\nprint(*sys.modules, file=sys.stderr)"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return set(done.stderr.splitlines()[-1].split())


def test_the_client_imports_nothing_of_the_server():
    """Nor pydantic, which holds its settings and reads its files."""
    modules = imported("import carousel.client")
    assert "grpc" in modules
    absent = (*SERVER_SIDE, *OTHERS_STUBS, "carousel.artifact", "carousel.transport", "carousel.engines")
    assert modules & {*absent} == set()


@pytest.mark.parametrize("arguments", [["--help"], ["predict", "--help"], ["train", "--help"], ["inspect", "--help"]])
def test_help_is_there_at_once(arguments):
    """Neither the server's half nor gRPC is imported to say what a command takes."""
    absent = {*SERVER_SIDE, *OTHERS_STUBS, "grpc", "carousel.settings"}
    assert imported(COMMAND.format(arguments=arguments)) & absent == set()


def test_only_serve_reads_settings():
    """Its flags are the settings."""
    assert "carousel.settings" in imported(COMMAND.format(arguments=["serve", "--help"]))


def test_predict_imports_the_client_and_nothing_of_the_server(tmp_path):
    """With a file to read and a server to ask, though none is there."""
    (tmp_path / "steps.csv").write_text("1,2\n")
    arguments = ["predict", "any", str(tmp_path / "steps.csv"), "--target", "127.0.0.1:1", "--timeout", "1"]
    modules = imported(COMMAND.format(arguments=arguments))
    assert "carousel.client" in modules
    assert modules & {*SERVER_SIDE, *OTHERS_STUBS} == set()
