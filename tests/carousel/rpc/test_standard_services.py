"""Health and reflection, through stock clients."""

import threading

import grpc
import numpy as np
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from carousel.client import Client
from carousel.stubs.v1.inference_pb2 import DESCRIPTOR

INFERENCE = DESCRIPTOR.services_by_name["InferenceService"].full_name
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


def test_health_is_told_for_the_server_and_each_service_and_no_other(server):
    with grpc.insecure_channel(server().target) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for service in ("", INFERENCE):
            assert health.Check(health_pb2.HealthCheckRequest(service=service)).status == SERVING
        with pytest.raises(grpc.RpcError) as caught:
            health.Check(health_pb2.HealthCheckRequest(service="nope"))
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_who_watches_health_sees_the_drain(server):
    serving = server()
    with grpc.insecure_channel(serving.target) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert next(watch).status == SERVING
        serving.server.drain()
        assert next(watch).status == NOT_SERVING
        assert list(watch) == []


def test_a_server_without_models_is_there_and_not_serving(tmp_path, bare):
    serving = bare(repository=tmp_path, drain_notice_seconds=0)
    with grpc.insecure_channel(serving.target) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        assert health.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=30).status == NOT_SERVING
    assert serving.stop() == 0


def test_reflection_describes_the_api_to_a_stock_client(server):
    with grpc.insecure_channel(server().target) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        assert INFERENCE in database.get_services()
        service = DescriptorPool(database).FindServiceByName(INFERENCE)
        assert [method.name for method in service.methods] == ["Predict", "Stream", "GetModel", "ListModels"]


def test_reflection_can_be_switched_off(server):
    with grpc.insecure_channel(server(reflection=False).target) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            ProtoReflectionDescriptorDatabase(channel).get_services()
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_stream_that_holds_nothing_and_is_silent_is_ended(server):
    """One that never asked, and one whose questions are answered; a watch of health is not, and no live sequence."""
    quiet, over = server(stream_idle_seconds=0.5), threading.Event()

    def after(*messages):
        yield from messages
        over.wait(30)

    with grpc.insecure_channel(quiet.target) as channel, Client(quiet.target) as client:
        reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
        watch = channel.unary_stream("/grpc.health.v1.Health/Watch")(b"", timeout=30)
        next(watch)
        live = client.live("small")
        live.feed(np.ones((2, 3), np.float32))
        for asked in ((), (b"\x3a\x01*",)):
            call = channel.stream_stream(reflection)(after(*asked), timeout=30)
            with pytest.raises(grpc.RpcError) as caught:
                list(call)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            assert caught.value.details().startswith("the stream was idle for 0.5 s")
        assert watch.is_active()
        live.feed(np.ones((1, 3), np.float32))
        live.close()
        over.set()
