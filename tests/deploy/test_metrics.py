"""What /metrics shows, what its page says, and what a client can do to it."""

import asyncio
import secrets
import subprocess
import urllib.request
from collections import defaultdict

import grpc
import numpy as np
import pytest
from opentelemetry.instrumentation.grpc import GrpcAioInstrumentorClient, GrpcInstrumentorClient
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from carousel.client import AsyncClient, Client
from carousel.errors import ModelNotFound
from carousel.stubs.oip.open_inference_pb2 import ModelInferRequest
from carousel.stubs.oip.open_inference_pb2_grpc import GRPCInferenceServiceStub
from carousel.stubs.v1.inference_pb2 import PredictRequest, StreamRequest
from carousel.stubs.v1.inference_pb2_grpc import InferenceServiceStub
from carousel.telemetry import INSTRUMENTS
from carousel.wire import write_tensor
from tests.deploy.tools import Served, tool
from tests.deploy.watched import until

STEPS = np.ones((3, 8), np.float32)
HANDLING = "grpc_server_handling_seconds"
WAIT, RIDE = "carousel_sequence_wait_seconds", "carousel_sequence_run_seconds"


def _scrape(server, form: str = "text/plain") -> str:
    request = urllib.request.Request(f"http://{server.metrics}/metrics", headers={"Accept": form})
    with urllib.request.urlopen(request) as answer:
        return answer.read().decode()


def _traces(server) -> dict[str, set[str]]:
    """The traces that exemplars name, by metric."""
    found = defaultdict(set)
    for family in text_string_to_metric_families(_scrape(server, "application/openmetrics-text;version=1.0.0")):
        for sample in family.samples:
            if sample.exemplar:
                found[family.name].add(sample.exemplar.labels["trace_id"])
    return dict(found)


def _predict(channel, metadata) -> None:
    request = PredictRequest(model="lstm")
    write_tensor(STEPS, request.inputs.add())
    InferenceServiceStub(channel).Predict(request, metadata=metadata)


def _stream(channel, metadata) -> None:
    request = StreamRequest(key="one", open={"model": "lstm"}, close=True)
    write_tensor(STEPS, request.input)
    list(InferenceServiceStub(channel).Stream(iter([request]), metadata=metadata))


def _infer_request(**parameters) -> ModelInferRequest:
    request = ModelInferRequest(model_name="lstm", raw_input_contents=[STEPS.tobytes()])
    request.inputs.add(name="inputs", datatype="FP32", shape=[1, *STEPS.shape])
    for name, value in parameters.items():
        setattr(request.parameters[name], "bool_param" if value is True else "int64_param", value)
    return request


def _infer(channel, metadata) -> None:
    GRPCInferenceServiceStub(channel).ModelInfer(_infer_request(), metadata=metadata)


def _infer_live(channel, metadata) -> None:
    request = _infer_request(sequence_id=7, sequence_start=True, sequence_end=True)
    GRPCInferenceServiceStub(channel).ModelInfer(request, metadata=metadata)


def _stream_infer(channel, metadata) -> None:
    list(GRPCInferenceServiceStub(channel).ModelStreamInfer(iter([_infer_request()]), metadata=metadata))


CALLS = (_predict, _stream, _infer, _infer_live, _stream_infer)


def _series(text: str) -> set[str]:
    return {line.rsplit(" ", 1)[0] for line in text.splitlines() if not line.startswith("#")}


def test_every_metric_of_the_page_is_served_and_passes_prometheus_own_lint(serve):
    """/metrics shows every metric by its name and kind, and promtool has nothing to say about it."""
    server = serve()
    with Client(server.address) as client:
        client.wait_until_serving(30)
    text = _scrape(server)
    for i in INSTRUMENTS:
        assert f"# TYPE {i.name} {i.kind}" in text
    promtool = tool("promtool", "prometheus")
    ours = "".join(line + "\n" for line in text.splitlines() if "python_gc" not in line)
    lint = subprocess.run([promtool, "check", "metrics"], input=ours, capture_output=True, text=True, check=False)
    assert (lint.returncode, lint.stdout + lint.stderr) == (0, "")


def test_no_client_makes_a_series(serve):
    """Requests for models, methods and versions that do not exist add no series but that of their code."""
    server = serve()
    with Client(server.address) as client:
        client.wait_until_serving(30)
        before = _series(_scrape(server))
        client.predict("lstm", [np.zeros((3, 8), np.float32)])
        for name in ("nobody", "x" * 200, 'quote"'):
            with pytest.raises(ModelNotFound):
                client.predict(name, [np.zeros((3, 8), np.float32)])
    after = _scrape(server)
    added = _series(after) - before
    assert all(each.startswith(("grpc_server_handled_total", HANDLING)) for each in added)
    assert sum("NOT_FOUND" in each for each in added) == 1
    assert not any(name in after for name in ("nobody", "xxx", "quote"))


@pytest.fixture(scope="module")
def watched(repository):
    """One server for the traces of many calls."""
    server = Served(repository)
    with Client(server.address) as client:
        client.wait_until_serving(30)
    yield server
    server.end()


@pytest.mark.parametrize("call", CALLS)
def test_a_traced_call_can_be_followed_from_the_buckets_it_fell_in(watched, call):
    """Its trace is the exemplar of the rpc's time, of the wait and of the ride, in OpenMetrics and nowhere else."""
    trace = secrets.token_hex(16)
    with grpc.insecure_channel(watched.address) as channel:
        call(channel, (("traceparent", f"00-{trace}-{secrets.token_hex(8)}-01"),))
    assert until(lambda: all(trace in _traces(watched).get(metric, ()) for metric in (HANDLING, WAIT, RIDE)), 10)
    assert trace not in _scrape(watched)


@pytest.mark.parametrize(
    "traceparent",
    [
        "00-0123456789abcdef0123456789abcdef-0123456789abcdef-00",  # nobody records it
        "00-0123456789abcdef0123456789abcdef-0123456789abcdef-02",  # nor this one, whose id is random
        "00-00000000000000000000000000000000-0123456789abcdef-01",
        "00-0123456789ABCDEF0123456789ABCDEF-0123456789abcdef-01",
        "ff-0123456789abcdef0123456789abcdef-0123456789abcdef-01",
        "00-" + "0123456789abcdef" * 100 + "-0123456789abcdef-01",
        '00-0123456789abcdef"} 1 # {a="01234567-0123456789abcdef-01',
        "",
    ],
)
@pytest.mark.parametrize("call", CALLS)
def test_what_is_no_recorded_trace_is_no_exemplar(watched, call, traceparent):
    """Whatever else a client sends as traceparent is not shown, and the call is answered."""
    before = _traces(watched)
    with grpc.insecure_channel(watched.address) as channel:
        call(channel, (("traceparent", traceparent),))
    assert _traces(watched) == before


def test_opentelemetry_carries_the_trace_of_whoever_uses_the_client(watched):
    """OpenTelemetry's instrumentation of gRPC, which knows nothing of Carousel, is all that a user's program needs."""
    tracing = TracerProvider()
    tracer = tracing.get_tracer("test")

    async def ask_async() -> None:
        async with AsyncClient(watched.address) as client:
            await client.predict("lstm", [STEPS])

    def ask() -> None:
        with Client(watched.address) as client:
            client.predict("lstm", [STEPS])

    def feed() -> None:
        with Client(watched.address) as client, client.live("lstm") as sequence:
            sequence.feed(STEPS)

    instruments = GrpcInstrumentorClient(), GrpcAioInstrumentorClient()
    for instrument in instruments:
        instrument.instrument(tracer_provider=tracing)
    try:
        for use in (ask, feed, lambda: asyncio.run(ask_async())):
            with tracer.start_as_current_span("use") as span:
                use()
            assert format(span.get_span_context().trace_id, "032x") in _traces(watched)[RIDE]
    finally:
        for instrument in instruments:
            instrument.uninstrument()
