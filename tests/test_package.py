"""What is shipped works where it is installed: the wheel without the source tree, and every supported version."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from carousel.client import Client

ROOT = Path(__file__).parent.parent
TRANSPORT = ROOT / "tests" / "carousel" / "transport"
UV = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, check=False, text=True, **options)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def environment(folder, *packages):
    """A virtual environment of its own with these packages, none of the source tree."""
    run(UV, "venv", "--quiet", "--python", sys.executable, folder)
    run(UV, "pip", "install", "--quiet", "--python", folder / "bin" / "python", *packages)
    return folder / "bin"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    run(UV, "build", "--quiet", "--wheel", "--out-dir", folder, ROOT)
    [wheel] = folder.glob("*.whl")
    return wheel


def test_the_wheel_serves_without_the_source_tree_and_without_tensorflow(wheel, tmp_path, repository):
    programs = environment(tmp_path / "venv", wheel)
    installed = run(UV, "pip", "list", "--python", programs / "python")
    assert not re.search(r"^(tensorflow|keras|onnx|pandas|pytest) ", installed, re.MULTILINE)
    command = [programs / "carousel", "serve", "--repository", repository, "--engine", "onnx"]
    loopback = ["--host=127.0.0.1", "--port=0", "--http-host=127.0.0.1", "--http-port=0", "--drain-notice-seconds=0"]
    server = subprocess.Popen([*command, *loopback], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    try:
        target = re.match(r"gRPC on (\S+),", server.stdout.readline())[1]
        with Client(target) as client:
            client.wait_until_serving(timeout=60)
            assert client.predict("stack", [np.ones((5, 64))])[0].output.shape == (256,)
            # Every model has a cell graph, stepwise or whole, so none needs TensorFlow.
            assert {model.name for model in client.list_models()} == {path.name for path in repository.iterdir()}
            assert {model.engine for model in client.list_models()} == {"onnx"}
    finally:
        server.terminate()
        assert server.wait(30) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("grpcio", "protobuf"), [("grpcio==1.74.0", "protobuf==6.31.1"), ("grpcio==1.85.*", "protobuf>=7,<8")]
)
def test_the_oldest_and_the_newest_supported_versions_pass_transports_tests(tmp_path, grpcio, protobuf):
    status = "grpcio-status==1.74.0" if grpcio.endswith("1.74.0") else "grpcio-status>=1.80"
    others = [
        "grpcio-health-checking>=1.74",
        "grpcio-reflection>=1.74",
        "numpy",
        "pydantic",
        "hypothesis",
        "pytest",
        "trustme",
    ]
    programs = environment(tmp_path / "venv", grpcio, protobuf, status, *others)
    run(
        programs / "python",
        "-c",
        "import carousel.stubs.v1.inference_pb2_grpc, carousel.stubs.savedmodel.saved_model_pb2, carousel.client",
        env={"PYTHONPATH": str(ROOT / "service")},
    )
    tests = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", "-c", os.devnull]
    run(
        programs / "python",
        *tests,
        f"--confcutdir={TRANSPORT}",
        f"--rootdir={ROOT}",
        TRANSPORT,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT / "service"), "PATH": os.environ["PATH"]},
    )
