"""One line for each request that failed, over every protocol, with the fields by which it is found again."""

import logging

import grpc
import httpx
import pytest

from carousel.stubs.oip import open_inference_pb2 as oip
from carousel.stubs.v1 import inference_pb2 as v1
from carousel.stubs.v1.inference_pb2_grpc import InferenceServiceStub
from carousel.telemetry import Ended, RequestLog

TRACE = "0af7651916cd43dd8448eb211c80319c"
SENT = [("traceparent", f"00-{TRACE}-b7ad6b7169203331-01"), ("x-request-id", "r-17")]


@pytest.fixture
def lines(caplog):
    """Give the lines of failures, of which there should be `number`."""
    caplog.set_level(logging.DEBUG, "carousel.requests")

    def read(server, number):
        server.on_loop(lambda: None)  # what ended before is told of by now
        found = [
            record for record in caplog.records if record.name == "carousel.requests" and record.levelno > logging.DEBUG
        ]
        assert len(found) == number, [record.getMessage() for record in found]
        return found

    return read


def test_a_call_that_fails_is_told_of_by_id_trace_peer_model_reason_and_duration(server, lines):
    serving = server()
    with grpc.insecure_channel(serving.target) as channel:
        with pytest.raises(grpc.RpcError):
            InferenceServiceStub(channel).Predict(v1.PredictRequest(model="nothing"), metadata=SENT, timeout=30)
        with pytest.raises(grpc.RpcError):
            channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")(
                oip.ModelInferRequest(model_name="nothing", id="own").SerializeToString(), metadata=SENT, timeout=30
            )
    ours = lines(serving, 2)
    first, second = [record.fields for record in ours]
    assert first.pop("peer").startswith("ipv4:127.0.0.1:")
    assert first.pop("duration_seconds") >= 0
    assert first == {
        "code": "NOT_FOUND",
        "reason": "ModelNotFound",
        "model": "nothing",
        "id": "r-17",
        "trace": TRACE,
        "client": "ipv4:127.0.0.1",
    }
    assert second["id"] == "own"
    assert "'nothing' is not served" in ours[0].getMessage()


def test_a_request_over_http_that_fails_is_told_of_too(server, lines):
    serving = server()
    with httpx.Client(base_url=serving.metrics.removesuffix("/metrics")) as web:
        refused = web.get("/v2/models/nothing", headers=dict(SENT))
    assert refused.status_code == 404
    (told,) = lines(serving, 1)
    assert told.fields.pop("peer").startswith("127.0.0.1:")
    assert told.fields.pop("duration_seconds") >= 0
    assert told.fields == {
        "code": "404",
        "reason": "ModelNotFound",
        "model": "nothing",
        "id": "r-17",
        "trace": TRACE,
    }


def test_a_flood_of_failures_is_no_flood_of_lines_and_what_is_left_out_is_counted(caplog):
    caplog.set_level(logging.INFO, "carousel.requests")
    now = [0.0]
    log = RequestLog(lambda: now[0])
    for _ in range(1000):
        log.failed(Ended("/a.B/C", "RESOURCE_EXHAUSTED", client="x" * 10_000))
    assert len(caplog.records) == 50
    assert len(caplog.records[0].fields["client"]) < 300
    now[0] = 1.5
    log.failed(Ended("/a.B/C", "INTERNAL"))
    assert caplog.records[-1].fields["left_out"] == 950
    assert caplog.records[-1].levelno == logging.WARNING


def test_of_those_that_succeed_one_in_a_hundred_is_told_of_at_debug(caplog):
    log = RequestLog()
    assert not any(log.samples for _ in range(500))
    caplog.set_level(logging.DEBUG, "carousel.requests")
    assert sum(log.samples for _ in range(500)) == 5
