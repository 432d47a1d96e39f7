"""Every fault of a request is named by its field, all at once, as google.rpc.BadRequest through a real socket."""

import grpc
import numpy as np
import pytest
from google.rpc.error_details_pb2 import BadRequest
from grpc_status import rpc_status

from carousel.v1.inference_pb2 import DATA_TYPE_FLOAT32, GetModelRequest, PredictRequest, Tensor
from carousel.v1.inference_pb2_grpc import InferenceServiceStub


@pytest.fixture
def stub(server):
    with grpc.insecure_channel(server.target) as channel:
        yield InferenceServiceStub(channel)


def tensor(*shape, dtype=DATA_TYPE_FLOAT32, content=None):
    size = int(np.prod(shape)) if all(d >= 0 for d in shape) and np.prod(shape, dtype=float) < 1e6 else 0
    return Tensor(dtype=dtype, shape=shape, content=bytes(4 * size) if content is None else content)


def violations(call):
    with pytest.raises(grpc.RpcError) as caught:
        call()
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    status = rpc_status.from_call(caught.value)
    bad = BadRequest()
    assert any(detail.Unpack(bad) for detail in status.details)
    return [(v.field, v.description) for v in bad.field_violations]


FAULTS = {
    "missing tensor": (Tensor(), [("dtype", "missing"), ("shape", "is missing, expected [?, 64]")]),
    "empty shape": (tensor(dtype=1, content=b""), [("shape", "is missing, expected [?, 64]")]),
    "rank 1": (tensor(64), [("shape", "has rank 1, [64]; expected rank 2, [?, 64]")]),
    "rank 3": (tensor(1, 2, 64), [("shape", "has rank 3, [1, 2, 64]; expected rank 2, [?, 64]")]),
    "wrong input_dim": (tensor(5, 63), [("shape", "has input_dim 63, the model takes 64")]),
    "zero timesteps": (tensor(0, 64), [("shape", "has zero timesteps, expected at least one")]),
    "unknown dtype": (tensor(5, 64, dtype=9), [("dtype", "is unknown (9), expected float32")]),
    "too few bytes": (
        tensor(5, 64, content=bytes(1279)),
        [("content", "has 1279 bytes, shape [5, 64] of float32 needs 1280")],
    ),
    "too many bytes": (tensor(5, 64, content=bytes(1281)), [("content", "has 1281 bytes")]),
    "negative dim": (tensor(-1, 64), [("shape", "is [-1, 64], and a dimension cannot be negative")]),
    "overflowing dims": (tensor(2**62, 64), [("shape", "more than the 2147483647 elements one tensor may have")]),
    "too many timesteps": (
        tensor(1_000_001, 64),
        [("shape", "has 1000001 timesteps, the limit is 1000000"), ("content", "has 0 bytes")],
    ),
    "everything at once": (
        tensor(0, 63, dtype=0, content=b"1"),
        [("dtype", "missing"), ("shape", "zero timesteps"), ("shape", "input_dim 63"), ("content", "has 1 bytes")],
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_of_a_tensor_is_named_by_field(stub, fault):
    wrong, expected = FAULTS[fault]
    found = violations(lambda: stub.Predict(PredictRequest(model="stack", inputs=[tensor(2, 64), wrong])))
    assert [field for field, _ in found] == [f"inputs[1].{field}" for field, _ in expected]
    for (_, description), (_, said) in zip(found, expected, strict=True):
        assert said in description


def test_faults_of_several_inputs_and_fields_are_named_at_once(stub):
    request = PredictRequest(model="stack", inputs=[tensor(1, 3), tensor(0, 64)], initial_state=[b""])
    assert [field for field, _ in violations(lambda: stub.Predict(request))] == [
        "initial_state",
        "inputs[0].shape",
        "inputs[1].shape",
    ]


def test_a_request_without_inputs_is_refused(stub):
    assert violations(lambda: stub.Predict(PredictRequest(model="stack"))) == [
        ("inputs", "is missing: expected one tensor a sequence")
    ]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_refused_at_its_place(stub, value):
    steps = np.ones((4, 64), np.float32)
    steps[2, 5] = value
    request = PredictRequest(model="stack", inputs=[tensor(4, 64, content=steps.tobytes())])
    [(field, description)] = violations(lambda: stub.Predict(request))
    assert field == "inputs[0].content"
    assert f"{value} at timestep 2, feature 5" in description


def test_values_that_are_not_finite_pass_where_the_setting_says_so_and_touch_nobody_else(serve, repository):
    with serve(repository, nonfinite="pass") as server, grpc.insecure_channel(server.target) as channel:
        stub = InferenceServiceStub(channel)
        clean, steps = tensor(1, 64), np.full((1, 64), np.nan, np.float32)
        [alone] = stub.Predict(PredictRequest(model="stack", inputs=[clean])).predictions
        mixed = PredictRequest(model="stack", inputs=[tensor(1, 64, content=steps.tobytes()), clean])
        _, beside = stub.Predict(mixed).predictions
    assert beside == alone


def test_another_length_than_a_fixed_model_takes_is_refused(stub):
    [(field, description)] = violations(lambda: stub.Predict(PredictRequest(model="fixed", inputs=[tensor(5, 3)])))
    assert (field, description) == ("inputs[0].shape", "has 5 timesteps, the model takes exactly 6")


def test_full_sequences_of_a_model_that_has_none_are_refused(stub):
    request = PredictRequest(model="whole", inputs=[tensor(5, 3)], return_sequences=True)
    assert violations(lambda: stub.Predict(request)) == [
        ("return_sequences", "the model gives no output for every timestep")
    ]


def test_the_limits_on_samples_and_timesteps_are_settings(serve, repository):
    with (
        serve(repository, max_samples=2, max_timesteps=3) as server,
        grpc.insecure_channel(server.target) as channel,
    ):
        stub = InferenceServiceStub(channel)
        many = PredictRequest(model="stack", inputs=[tensor(4, 64), tensor(1, 64), tensor(1, 64)])
        assert violations(lambda: stub.Predict(many)) == [
            ("inputs", "holds 3 sequences, the limit is 2"),
            ("inputs[0].shape", "has 4 timesteps, the limit is 3"),
        ]


@pytest.mark.parametrize(
    ("name", "version", "said"),
    [("nope", 0, "'nope' is not served; served are: "), ("stack", 9, "'stack' has no version 9; served are: 1")],
)
def test_an_unknown_model_or_version_is_not_found(stub, name, version, said):
    for call in (
        lambda: stub.Predict(PredictRequest(model=name, version=version, inputs=[tensor(1, 64)])),
        lambda: stub.GetModel(GetModelRequest(model=name, version=version)),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            call()
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        assert said in caught.value.details()


def test_bytes_that_are_no_message_are_refused(server):
    with grpc.insecure_channel(server.target) as channel:
        call = channel.unary_unary("/carousel.v1.InferenceService/Predict")
        [(field, description)] = violations(lambda: call(b"\xff\xff\xff"))
    assert field == "message"
    assert "3 bytes that are no request" in description


def test_no_error_names_the_inside_of_a_graph_or_of_the_program(stub):
    for wrong, _ in FAULTS.values():
        with pytest.raises(grpc.RpcError) as caught:
            stub.Predict(PredictRequest(model="stack", inputs=[wrong]))
        said = caught.value.details()
        for inside in ("Traceback", ".py", "lstm", "StatefulPartitionedCall", "serving_default"):
            assert inside not in said
