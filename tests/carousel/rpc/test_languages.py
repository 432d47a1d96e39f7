"""Clients in other languages, those of docs/examples, get what Python's gets."""

import json
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[3]
EXAMPLES, MODULES = ROOT / "docs" / "examples", ROOT / "build" / "tools" / "node_modules"


def answered(client, *command, **environment):
    """Run a client; it must print what the server answers to five timesteps of ones, bit for bit."""
    same_bits(client, json.loads(run(*command, **environment)))


def same_bits(client, printed):
    [prediction] = client.predict("small", [np.ones((5, 3), np.float32)])
    assert np.float32(printed).tobytes() == prediction.output.tobytes()


def told(example, mark, here):
    """Give the commands that an example's first lines say, for its own place and that of the protos."""
    lines = re.findall(rf"^{mark}(.*)$", (EXAMPLES / example).read_text(), re.MULTILINE)
    commands = "\n".join(lines).replace("-Iprotos", f"-I{ROOT / 'protos'}")
    return commands.replace(example, str(EXAMPLES / example)).replace("localhost:8500", here)


def run(*command, cwd=None, **environment):
    done = subprocess.run(
        [*map(str, command)],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


@pytest.mark.soak
def test_node_predicts_over_tensorflow_servings_api(serving, client):
    """With @grpc/grpc-js, and the protos as they lie here."""
    command = ("node", EXAMPLES / "predict.cjs", serving.target, "small", ROOT / "protos")
    answered(client, *command, NODE_PATH=str(MODULES))


@pytest.mark.soak
def test_cpp_predicts_over_tensorflow_servings_api(serving, client, tmp_path):
    """With Debian's gRPC, compiled as the file says."""
    protos = ROOT / "protos"
    own = [protos / "carousel" / "tfserving" / f"{name}.proto" for name in ("tensor", "config", "serving")]
    plugin = "--plugin=protoc-gen-grpc=/usr/bin/grpc_cpp_plugin"
    run("protoc", f"-I{protos}", f"--cpp_out={tmp_path}", f"--grpc_out={tmp_path}", plugin, *own)
    libraries = run("pkg-config", "--libs", "grpc++", "protobuf").split()
    sources = [EXAMPLES / "predict.cpp", *(tmp_path / "carousel" / "tfserving").glob("*.cc")]
    run("g++", "-std=c++17", f"-I{tmp_path}", *sources, "-o", tmp_path / "predict", *libraries)
    answered(client, tmp_path / "predict", serving.target, "small")


@pytest.mark.soak
@pytest.mark.parametrize(("example", "mark"), [("predict.go", "//\t"), ("Predict.java", "//   ")])
def test_go_and_java_predict_over_tensorflow_servings_api(serving, client, tmp_path, example, mark):
    """With Debian's gRPC, by the commands that the file says, as they stand."""
    printed = run("bash", "-euc", told(example, mark, serving.target), cwd=tmp_path, GOCACHE=str(tmp_path / "cache"))
    same_bits(client, json.loads(printed))


@pytest.mark.soak
def test_curl_predicts_over_rest(serving, client):
    printed = run("sh", EXAMPLES / "predict.sh", f"127.0.0.1:{serving.server.http_port}", "small")
    same_bits(client, json.loads(printed)["predictions"][0])
