"""Every fault of a request is named by field, all at once, over a real socket, in gRPC's own terms."""

import grpc
import numpy as np
import pytest

from carousel.stubs.v1.inference_pb2 import Open, PredictRequest, StreamRequest, Tensor
from carousel.stubs.v1.inference_pb2_grpc import InferenceServiceStub
from carousel.transport import Unary

FLOAT32 = 1


def tensor(*shape, content=None, dtype=FLOAT32):
    size = 4 * int(np.prod(shape)) if content is None else 0
    return Tensor(dtype=dtype, shape=shape, content=bytes(size) if content is None else content)


def holding(value):
    steps = np.zeros((4, 3), np.float32)
    steps[2, 1] = value
    return Tensor(dtype=FLOAT32, shape=steps.shape, content=steps.tobytes())


HUGE = "has rank 3, [4294967296, 4294967296, 4]; expected rank 2, [?, 3]"
FAULTS = {
    "missing tensor": (Tensor(), {("dtype", "is missing, expected float32"), ("shape", "is missing, expected [?, 3]")}),
    "empty tensor": (tensor(0, 3), {("shape", "has zero timesteps, expected at least one")}),
    "rank 0 with a byte": (
        Tensor(dtype=FLOAT32, content=b"."),
        {("shape", "is missing, expected [?, 3]")},
    ),
    "rank 1": (tensor(3), {("shape", "has rank 1, [3]; expected rank 2, [?, 3]")}),
    "rank 3": (tensor(1, 4, 3), {("shape", "has rank 3, [1, 4, 3]; expected rank 2, [?, 3]")}),
    "input_dim": (tensor(4, 5), {("shape", "has input_dim 5, the model takes 3")}),
    "dtype unset": (tensor(4, 3, dtype=0), {("dtype", "is missing, expected float32")}),
    "dtype unknown": (tensor(4, 3, dtype=99), {("dtype", "is unknown (99), expected float32")}),
    "too few bytes": (
        tensor(4, 3, content=bytes(44)),
        {("content", "has 44 bytes, shape [4, 3] of float32 needs 48")},
    ),
    "too many bytes": (
        tensor(4, 3, content=bytes(49)),
        {("content", "has 49 bytes, shape [4, 3] of float32 needs 48")},
    ),
    "no bytes": (tensor(4, 3, content=b""), {("content", "has 0 bytes, shape [4, 3] of float32 needs 48")}),
    "negative dim": (
        Tensor(dtype=FLOAT32, shape=[-1, 3], content=bytes(12)),
        {("shape", "is [-1, 3], and a dimension cannot be negative")},
    ),
    "most negative dim": (
        Tensor(dtype=FLOAT32, shape=[-(2**63), 3]),
        {("shape", "is [-9223372036854775808, 3], and a dimension cannot be negative")},
    ),
    "overflowing dims": (Tensor(dtype=FLOAT32, shape=[2**32, 2**32, 4]), {("shape", HUGE)}),
    "NaN": (
        holding(np.nan),
        {("content", "holds nan at timestep 2, feature 1; only finite values are taken")},
    ),
    "infinity": (
        holding(-np.inf),
        {("content", "holds -inf at timestep 2, feature 1; only finite values are taken")},
    ),
    "everything at once": (
        Tensor(dtype=77, shape=[0, 9], content=b"12345"),
        {
            ("dtype", "is unknown (77), expected float32"),
            ("shape", "has zero timesteps, expected at least one"),
            ("shape", "has input_dim 9, the model takes 3"),
            ("content", "has 5 bytes, shape [0, 9] of float32 needs 0"),
        },
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_a_tensor_is_named_by_its_field(stub, refusal, name):
    wrong, faults = FAULTS[name]
    refused = refusal(stub.Predict, PredictRequest(model="small", inputs=[wrong]))
    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.reason == "InvalidRequest"
    assert sorted(refused.violations) == sorted((f"inputs[0].{field}", what) for field, what in faults)


@pytest.mark.parametrize("name", FAULTS)
def test_a_live_message_is_held_to_the_same_rules(stub, name):
    """Its faults end its own live sequence, and say the same."""
    wrong, faults = FAULTS[name]
    [answer] = stub.Stream(iter([StreamRequest(key="a", open=Open(model="small"), input=wrong)]), timeout=30)
    assert answer.closed
    assert answer.failure.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert answer.failure.reason == "InvalidRequest"
    for field, what in faults:
        assert f"input.{field}: {what}" in answer.failure.message


def test_the_faults_of_every_sequence_are_named_in_one_answer(stub, refusal):
    """A client that fixes all that is named is not refused again."""
    refused = refusal(
        stub.Predict,
        PredictRequest(
            model="fixed",
            return_sequences=True,
            inputs=[tensor(6, 3), tensor(6, 2), Tensor(), tensor(5, 3)],
            initial_state=[b"", b""],
        ),
    )
    assert sorted(refused.violations) == [
        ("initial_state", "holds 2 states for 4 inputs, expected none or one each"),
        ("inputs[1].shape", "has input_dim 2, the model takes 3"),
        ("inputs[2].dtype", "is missing, expected float32"),
        ("inputs[2].shape", "is missing, expected [6, 3]"),
        ("inputs[3].shape", "has 5 timesteps, the model takes exactly 6"),
        ("return_sequences", "the model gives no output for every timestep"),
    ]
    for field, what in refused.violations:
        assert f"{field}: {what}" in refused.message


def test_no_inputs_at_all(stub, refusal):
    refused = refusal(stub.Predict, PredictRequest(model="small"))
    assert refused.violations == [("inputs", "is missing: expected one tensor a sequence")]


@pytest.mark.parametrize("timesteps", [1, 5, 7, 60])
def test_a_fixed_length_model_takes_its_length_alone(stub, refusal, timesteps):
    refused = refusal(stub.Predict, PredictRequest(model="fixed", inputs=[tensor(timesteps, 3)]))
    assert refused.violations == [
        ("inputs[0].shape", f"has {timesteps} timesteps, the model takes exactly 6"),
    ]


def test_an_unknown_model_is_named_beside_what_is_served(stub, refusal):
    refused = refusal(stub.Predict, PredictRequest(model="nope", inputs=[tensor(4, 3)]))
    assert refused.code is grpc.StatusCode.NOT_FOUND
    assert refused.reason == "ModelNotFound"
    assert refused.message == (
        "Request for unknown model: 'nope' is not served; served are: fixed, longer, lstm128, relu50, small, stack, "
        "whole"
    )


@pytest.mark.parametrize("version", [2, -1, 2**63 - 1])
def test_an_unknown_version_is_named_beside_those_served(stub, refusal, version):
    refused = refusal(stub.Predict, PredictRequest(model="small", version=version, inputs=[tensor(4, 3)]))
    assert refused.code is grpc.StatusCode.NOT_FOUND
    assert refused.message == f"Request for unknown model: 'small' has no version {version}; served are: 1"


def test_states_are_refused_by_name(stub, client, refusal):
    """Damaged, foreign, and of a model that has none."""
    [answer] = client.predict("small", [np.ones((2, 3))], return_state=True)
    damaged = bytearray(answer.state)
    damaged[30] ^= 1
    for model, state, code, reason in [
        ("small", bytes(damaged), "INVALID_ARGUMENT", "SnapshotRefused"),
        ("small", b"hello", "INVALID_ARGUMENT", "SnapshotRefused"),
        ("relu50", answer.state, "INVALID_ARGUMENT", "SnapshotRefused"),
    ]:
        dim = 1 if model == "relu50" else 3
        refused = refusal(stub.Predict, PredictRequest(model=model, inputs=[tensor(2, dim)], initial_state=[state]))
        assert (refused.code.name, refused.reason) == (code, reason), model


@pytest.mark.parametrize("asked", [{"return_state": True}, {"initial_state": [b"from elsewhere"]}])
def test_a_model_without_states_says_so(stub, refusal, asked):
    refused = refusal(stub.Predict, PredictRequest(model="whole", inputs=[tensor(2, 3)], **asked))
    assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NotStateful")


@pytest.mark.parametrize("name", FAULTS)
def test_no_error_names_the_inside_of_a_graph_or_of_the_program(stub, refusal, name):
    refused = refusal(stub.Predict, PredictRequest(model="small", inputs=[FAULTS[name][0]]))
    for inside in ("Traceback", ".py", "lstm", "StatefulPartitionedCall", "serving_default"):
        assert inside not in refused.message


def test_the_limits_of_a_request(server, refusal):
    """Too many sequences, too many timesteps, too large a message: each is named; what is at the limit is served."""
    tight = server(max_samples=2, max_timesteps=10, max_message_bytes=1024)
    with grpc.insecure_channel(tight.target) as channel:
        stub = InferenceServiceStub(channel)
        assert len(stub.Predict(PredictRequest(model="small", inputs=[tensor(10, 3)] * 2)).predictions) == 2
        refused = refusal(stub.Predict, PredictRequest(model="small", inputs=[tensor(11, 3), tensor(1, 3), Tensor()]))
        assert refused.violations == [
            ("inputs", "holds 3 sequences, the limit is 2 (max_samples)"),
        ]
        refused = refusal(stub.Predict, PredictRequest(model="small", inputs=[tensor(11, 3), tensor(1, 3)]))
        assert refused.violations == [("inputs[0].shape", "has 11 timesteps, the limit is 10 (max_timesteps)")]
        refused = refusal(stub.Predict, PredictRequest(model="small", inputs=[tensor(100, 3)]))
        assert refused.code is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_not_a_number_passes_where_the_setting_says_so(server):
    """It stays in its own sequence: the mate beside it gets its very answer alone."""
    lenient = server(nonfinite="pass")
    with grpc.insecure_channel(lenient.target) as channel:
        stub = InferenceServiceStub(channel)
        alone = stub.Predict(PredictRequest(model="small", inputs=[tensor(4, 3)])).predictions[0]
        beside = stub.Predict(PredictRequest(model="small", inputs=[holding(np.nan), tensor(4, 3), holding(np.inf)]))
        assert beside.predictions[0] != alone
        assert beside.predictions[1] == alone


def test_bytes_that_are_no_message_are_refused_in_words_by_every_rpc(server, refusal):
    """Those that are not served at all excepted, which say so whatever comes."""
    serving = server()
    with grpc.insecure_channel(serving.target) as channel:
        for path, method in serving.server._services.methods.items():
            if isinstance(method, Unary):
                call = channel.unary_unary(path)
            else:
                stream = channel.stream_stream(path)

                def call(message, timeout, stream=stream):
                    return list(stream(iter([message]), timeout=timeout))

            refused = refusal(call, b"\xff\xff\xff")
            if refused.code is not grpc.StatusCode.UNIMPLEMENTED:
                assert refused.code is grpc.StatusCode.INVALID_ARGUMENT, path
                [(field, found)] = refused.violations
                assert field == "message"
                assert found.startswith("3 bytes that are no ")
                assert found.endswith("client and server disagree on the proto")
