"""Health and reflection, through stock clients."""

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

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
