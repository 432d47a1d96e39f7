"""The Open Inference Protocol, as the clients people have speak it.

Triton's client and the server each bring the protocol's messages, and a process takes them once: the programs of the
client run in processes of their own.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from carousel.stubs.oip import model_config_pb2, open_inference_pb2

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
CLIENTS = (ROOT / "docs" / "clients.md").read_text()


@pytest.fixture(scope="module")
def strict(only, started):
    """A server that takes FP32 alone, loads by request, and lets live sequences be idle for half a second."""
    repository = only("small", "relu50")
    (repository / "broken" / "1").mkdir(parents=True)
    (repository / "broken" / "1" / "saved_model.pb").write_bytes(b"\xff broken")
    strict = started(
        repository=repository,
        oip_convert_floats=False,
        repository_control=True,
        session_idle_seconds=0.5,
    )
    yield strict
    strict.stop()


def run(*command, **environment) -> str:
    """Run a program; it must succeed within a minute."""
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        env=os.environ | environment,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-8000:]
    return done.stdout


@pytest.mark.parametrize("programs", ["unary", "refusals", "streams"])
def test_tritons_client_finds_everything_as_it_should_be(programs, serving, strict):
    folder = HERE / "triton"
    options = ("--confcutdir", folder, "-p", "no:cacheprovider")
    run(
        *("-m", "pytest", folder / f"{programs}.py", *options),
        CAROUSEL_TARGET=serving.target,
        CAROUSEL_STRICT=strict.target,
    )


@pytest.mark.parametrize("name", ["Triton", "KServe"])
def test_the_client_programs_of_the_docs_run_as_they_stand(name, serving, client, tmp_path):
    """A dozen lines are enough, and they print what carousel.v1 answers."""
    [program] = re.findall(rf"## {name}.*?```python\n(.*?)```", CLIENTS, re.DOTALL)
    assert len(program.strip().splitlines()) <= 16
    (tmp_path / "program.py").write_text(program.replace("localhost:8500", serving.target))
    printed = run(tmp_path / "program.py")
    [prediction] = client.predict("stack", [np.ones((5, 64), np.float32)])
    assert np.allclose(json.loads(printed), prediction.output, rtol=1e-6, atol=0)


def test_tritons_client_and_carousels_live_in_one_process(serving):
    """Whoever comes first: the own client never brings the protocol's messages."""
    program = (
        "import sys, tritonclient.grpc as triton, carousel.client as own, carousel.client.aio\n"
        "assert not [name for name in sys.modules if name.startswith('carousel.stubs.oip')]\n"
        "assert triton.InferenceServerClient(sys.argv[1]).is_model_ready('stack')\n"
        "with own.Client(sys.argv[1]) as client: print(client.get_model('stack').units)\n"
    )
    assert run("-c", program, serving.target) == "256\n"


def test_every_message_has_the_fields_and_numbers_that_tritons_client_knows():
    messages = (*open_inference_pb2.DESCRIPTOR.message_types_by_name.values(),)
    messages += (*model_config_pb2.DESCRIPTOR.message_types_by_name.values(),)
    fields = [
        (each.full_name, field.name, field.number, field.type, field.is_repeated)
        for message in messages
        for each in (message, *message.nested_types)
        for field in each.fields
    ]
    program = (
        "import json, sys\n"
        "from google.protobuf.descriptor_pool import Default\n"
        "from tritonclient.grpc import service_pb2\n"
        "for message, name, *ours in json.loads(sys.argv[1]):\n"
        "    theirs = Default().FindMessageTypeByName(message).fields_by_name[name]\n"
        "    assert [theirs.number, theirs.type, theirs.is_repeated] == ours, (message, name)\n"
    )
    assert len(fields) > 100
    run("-c", program, json.dumps(fields))


def test_a_body_file_load_is_counted_to_the_call(serving, tmp_path):
    """h2load sends one body again and again; the statistics hold every one of them, and no failure."""
    request = open_inference_pb2.ModelInferRequest(model_name="lstm128", raw_input_contents=[bytes(4 * 10 * 300)])
    request.inputs.add(name="inputs", datatype="FP32", shape=[1, 10, 300])
    message = request.SerializeToString()
    body = tmp_path / "body"
    body.write_bytes(b"\0" + len(message).to_bytes(4, "big") + message)
    calls = 2000
    before, refused = _served(serving)
    url = f"http://{serving.target}/inference.GRPCInferenceService/ModelInfer"
    headers = ("-H", "content-type: application/grpc", "-H", "te: trailers")
    command = ["h2load", f"-n{calls}", "-c4", "-m16", *headers, f"-d{body}", url]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert f"{calls} succeeded" in said
    after, still = _served(serving)
    assert after - before == calls
    assert still == refused


def _served(serving) -> tuple[int, int]:
    """Count the requests of lstm128 that were answered and that failed."""

    def count() -> tuple[int, int]:
        [model] = [m for m in serving.server._catalog if m.version.name == "lstm128"]
        return model.counters.requests, model.counters.requests_failed

    return serving.on_loop(count)
