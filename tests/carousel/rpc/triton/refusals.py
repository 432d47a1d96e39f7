"""Every error a client can meet, by its code and by its words."""

import numpy as np
import pytest
import tritonclient.grpc as triton
from tritonclient.grpc import service_pb2 as pb
from tritonclient.utils import InferenceServerException


def refused(call, *arguments, **options) -> tuple[str, str]:
    with pytest.raises(InferenceServerException) as caught:
        call(*arguments, **options)
    return caught.value.status().removeprefix("StatusCode."), caught.value.message()


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((1, 5, 4), "inputs.shape: has input_dim 4, the model takes 3"),
        ((1, 0, 3), "inputs.shape: has zero timesteps"),
        ((0, 5, 3), "inputs.shape: has 0 samples"),
        ((5, 3), "inputs.shape: has rank 2, [5, 3]; expected [?, ?, 3]"),
    ],
)
def test_a_wrong_shape_is_named(server, given, shape, words):
    code, message = refused(server.infer, "small", given(inputs=np.zeros(shape, "f4")))
    assert code == "INVALID_ARGUMENT"
    assert words in message


def test_every_fault_of_a_request_is_named_at_once(server, given, wanted, states):
    h, c = states("small")
    tensors = {"inputs": np.zeros((2, 5, 4), "f4"), "lengths": np.zeros(2, "f4"), h: np.zeros((2, 4), "f4")}
    inputs = given(**tensors)
    options = {"outputs": wanted("sequences", "last_step"), "priority": 1, "timeout": -1}
    code, message = refused(server.infer, "small", inputs, **options)
    assert code == "INVALID_ARGUMENT"
    for words in (
        "input_dim 4",
        "lengths.datatype: is FP32, expected INT32 or INT64",
        f"{c}: is missing",
        f"outputs[0].name: is 'sequences', expected one of sequence, last_step, {h}, {c}",
        "parameters.priority: is not served",
        "parameters.timeout: is -1",
    ):
        assert words in message


@pytest.mark.parametrize("lengths", [[0, 5], [5, 6], [-1, 1]])
def test_a_length_outside_the_tensor_is_named(server, given, lengths):
    inputs = given(inputs=np.zeros((2, 5, 3), "f4"), lengths=np.array(lengths))
    code, message = refused(server.infer, "small", inputs)
    assert code == "INVALID_ARGUMENT"
    assert "expected 1 to 5" in message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: r.raw_input_contents.append(b""), "raw_input_contents: has 2 entries for 1 inputs"),
        (lambda r: r.inputs[0].contents.fp32_contents.append(1), "inputs.contents: stands beside raw_input_contents"),
        (lambda r: r.raw_input_contents.__setitem__(0, b"1234"), "inputs.contents: has 4 bytes"),
        (lambda r: r.raw_input_contents.clear(), "has 0 elements in fp32_contents"),
        (lambda r: r.inputs[0].shape.__setitem__(0, -1), "a dimension cannot be negative"),
        (lambda r: setattr(r.inputs[0], "datatype", "BYTES"), "inputs.datatype: is BYTES, expected FP32"),
        (lambda r: setattr(r.inputs[0], "name", "x"), "inputs[0].name: is 'x', expected one of inputs, lengths"),
        (lambda r: r.inputs.clear(), "raw_input_contents: has 1 entries for 0 inputs"),
        (lambda r: setattr(r, "model_version", "00"), "model_version: is '00'"),
        (lambda r: setattr(r.parameters["sequence_start"], "bool_param", True), "parameters.sequence_id: is missing"),
        (lambda r: setattr(r.parameters["timeout"], "string_param", "1"), "parameters.timeout: is no int64_param"),
        (
            lambda r: setattr(r.inputs[0].parameters["shared_memory_region"], "string_param", "x"),
            "shared memory region",
        ),
        (
            lambda r: setattr(r.outputs.add(name="last_step").parameters["classification"], "int64_param", 1),
            "classification is not served",
        ),
    ],
)
def test_a_damaged_message_is_named(stub, change, words):
    request = pb.ModelInferRequest(model_name="small", raw_input_contents=[bytes(24)])
    request.inputs.add(name="inputs", datatype="FP32", shape=[1, 2, 3])
    change(request)
    with pytest.raises(triton.grpc.RpcError) as caught:
        stub.ModelInfer(request)
    assert caught.value.code().name == "INVALID_ARGUMENT"
    assert words in caught.value.details()


def test_nan_is_refused_and_its_place_named(server, given):
    inputs = np.zeros((2, 4, 3), "f4")
    inputs[1, 2, 0] = np.nan
    code, message = refused(server.infer, "small", given(inputs=inputs))
    assert code == "INVALID_ARGUMENT"
    assert "inputs[1]: holds nan at timestep 2, feature 0" in message


def test_conversion_is_refused_by_name_where_the_setting_forbids_it(strict, given):
    with triton.InferenceServerClient(strict) as server:
        code, message = refused(server.infer, "small", given(inputs=np.zeros((1, 2, 3), "f8")))
    assert (code, message) == ("INVALID_ARGUMENT", "inputs.datatype: is FP64, expected FP32")


def test_an_unknown_model_or_version_is_said_in_tritons_words(server, given):
    inputs = given(inputs=np.zeros((1, 2, 3), "f4"))
    for call in (server.get_model_metadata, server.get_model_config, server.get_inference_statistics):
        assert refused(call, "nobody")[0] == "NOT_FOUND"
    for name, version in (("nobody", ""), ("small", "7")):
        code, message = refused(server.infer, name, inputs, model_version=version)
        assert code == "NOT_FOUND"
        assert message.startswith(f"Request for unknown model: '{name}'")


def test_a_timeout_that_cannot_be_kept_is_an_error(server, given):
    inputs = given(inputs=np.zeros((64, 500, 64), "f4"))
    assert refused(server.infer, "stack", inputs, timeout=1)[0] in {"RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"}


def test_a_model_without_states_says_so(server, given, wanted):
    inputs = given(inputs=np.zeros((1, 2, 3), "f4"))
    assert refused(server.infer, "whole", inputs, sequence_id=1, sequence_start=True)[0] == "FAILED_PRECONDITION"
    code, message = refused(server.infer, "whole", inputs, outputs=wanted("lstm_h"))
    assert (code, "is 'lstm_h', expected one of sequence, last_step" in message) == ("INVALID_ARGUMENT", True)


def test_what_is_not_served_is_said_in_a_sentence(server):
    for call, arguments in (
        (server.get_system_shared_memory_status, ()),
        (server.register_system_shared_memory, ("a", "b", 1)),
        (server.unregister_system_shared_memory, ()),
        (server.get_cuda_shared_memory_status, ()),
        (server.unregister_cuda_shared_memory, ()),
        (server.get_trace_settings, ()),
        (server.get_log_settings, ()),
    ):
        code, message = refused(call, *arguments)
        assert code == "UNIMPLEMENTED"
        assert " not " in message


def test_loading_by_request_is_off_unless_enabled(server, strict):
    assert refused(server.load_model, "small")[0] == "PERMISSION_DENIED"
    assert refused(server.unload_model, "small")[0] == "PERMISSION_DENIED"
    with triton.InferenceServerClient(strict) as control:
        assert refused(control.load_model, "nobody")[0] == "NOT_FOUND"
        assert refused(control.unload_model, "nobody")[0] == "NOT_FOUND"
        code, message = refused(control.load_model, "broken")
        assert (code, "is not a SavedModel" in message) == ("FAILED_PRECONDITION", True)
        assert refused(control.load_model, "small", config="{}")[0] == "INVALID_ARGUMENT"
