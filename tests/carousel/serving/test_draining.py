"""A version that is replaced keeps its live sequences until they end, or their time is over."""

import time

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from carousel.client import Client
from carousel.errors import SnapshotRefused
from carousel.stubs.oip import open_inference_pb2
from carousel.stubs.v1 import inference_pb2 as pb

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


def until(true, seconds=30):
    """Wait until `true()` is."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def served(serving):
    """List the versions of the small model that take requests."""
    return serving.on_loop(lambda: [model.version.number for model in serving.server._catalog])


def all_versions(serving):
    """List the versions of the small model, those on their way out among them."""
    return serving.on_loop(lambda: [model.version.number for model in serving.server._catalog.all_versions()])


def replace_version(serving, folder, number):
    """Put a copy of version 1 beside it, and wait until it is served."""
    (folder / str(number)).symlink_to((folder / "1").resolve())
    until(lambda: served(serving) == [number])


def test_a_live_sequence_stays_on_its_version_and_new_ones_open_on_the_new(only, server):
    """Twenty reloads lose no live sequence, and its answers are those of one unary call, bit for bit."""
    repository = only("small")
    serving = server(repository=repository)
    steps = np.random.default_rng(1).standard_normal((22, 3), np.float32)
    with Client(serving.target) as client, client.live("small") as session:
        answers = [session.feed(steps[:1])]
        for number in range(2, 22):
            replace_version(serving, repository / "small", number)
            answers.append(session.feed(steps[number - 1 : number]))
        alone = client.predict("small", [steps[:21]], return_sequences=True)
        assert np.array_equal(np.stack([answer.output for answer in answers]), alone[0].output)
        until(lambda: all_versions(serving) == [21, 1])
    until(lambda: all_versions(serving) == [21])


def test_a_snapshot_of_a_version_that_is_gone_says_at_once_what_to_do(only, server):
    """Its client need not search until its timeout: no server will have that version again."""
    repository = only("small")
    serving = server(repository=repository, session_drain_seconds=0.0)
    with Client(serving.target) as client, client.live("small", timeout=600) as session:
        session.feed(np.zeros((1, 3), np.float32))
        replace_version(serving, repository / "small", 2)
        with pytest.raises(SnapshotRefused, match=r"version 1, which is not served any more.*open the sequence anew"):
            session.feed(np.zeros((1, 3), np.float32))


def test_a_model_is_healthy_under_its_name_while_it_takes_requests(only, server):
    """Who watches a model's health sees it come and go; the server as a whole follows."""
    repository = only("small")
    serving = server(repository=repository)
    with grpc.insecure_channel(serving.target) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        assert health.Check(health_pb2.HealthCheckRequest(service="small")).status == SERVING
        watches = [health.Watch(health_pb2.HealthCheckRequest(service=name)) for name in ("small", "", "other")]
        assert [next(watch).status for watch in watches[:2]] == [SERVING, SERVING]
        assert next(watches[2]).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        (repository / "small" / "1").unlink()
        assert [next(watch).status for watch in watches[:2]] == [NOT_SERVING, NOT_SERVING]
        for watch in watches:
            watch.cancel()


def test_a_label_names_a_version_and_only_one_of_both_may_come(only, server):
    """A client may say which by label, in both protocols' words."""
    repository = only("small")
    (repository / "small" / "2").symlink_to((repository / "small" / "1").resolve())
    serving = server(repository=repository, models={"small": {"labels": {"stable": 1, "canary": 2}}})
    with grpc.insecure_channel(serving.target) as channel:
        get = channel.unary_unary(
            "/carousel.v1.InferenceService/GetModel",
            pb.GetModelRequest.SerializeToString,
            pb.GetModelResponse.FromString,
        )
        describe = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelMetadata",
            open_inference_pb2.ModelMetadataRequest.SerializeToString,
            open_inference_pb2.ModelMetadataResponse.FromString,
        )

        def find(version=0, label=""):
            return get(pb.GetModelRequest(model="small", version=version, version_label=label), timeout=30).model

        assert [find().version, find(1).version, find(0, "stable").version, find(0, "canary").version] == [2, 1, 1, 2]
        with pytest.raises(grpc.RpcError, match="no label 'old'; its labels are: canary, stable"):
            find(0, "old")
        with pytest.raises(grpc.RpcError, match="is 'stable' beside version 1: expected one of them"):
            find(1, "stable")
        stable = describe(open_inference_pb2.ModelMetadataRequest(name="small", version="stable"), timeout=30)
        assert "1" in stable.versions
        with pytest.raises(grpc.RpcError, match="no label 'old'"):
            describe(open_inference_pb2.ModelMetadataRequest(name="small", version="old"), timeout=30)
