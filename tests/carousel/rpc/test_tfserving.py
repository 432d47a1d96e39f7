"""TensorFlow Serving's clients, by its own stubs of PyPI's tensorflow-serving-api, are answered as they are used to."""

import subprocess
import sys

import grpc
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import descriptor_pool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from tensorflow.core.framework import tensor_pb2 as their_tensor
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)
from tensorflow_serving.config import file_system_storage_path_source_pb2, model_server_config_pb2

from carousel.client import Client
from carousel.rpc.tfserving.tensor_proto import read_tensor, write_tensor
from carousel.stubs.tfserving import POOL, serving_pb2, tensor_pb2
from tests.carousel.serving.test_foreign import ARCHIVES, unpacked

Predict, Metadata, Status = (
    predict_pb2.PredictRequest,
    get_model_metadata_pb2.GetModelMetadataRequest,
    get_model_status_pb2.GetModelStatusRequest,
)
NAMES = [archive.stem for archive in ARCHIVES]


@pytest.fixture(scope="module")
def served(tmp_path_factory, started, repository):
    """SavedModels by Keras 3's own export, tf_keras and tf.saved_model.save, two exported by Carousel, and a label."""
    folder = tmp_path_factory.mktemp("served")
    recorded = {archive.stem: unpacked(archive, folder)[1:] for archive in ARCHIVES}
    for name in ("small", "whole"):
        (folder / name).mkdir()
        (folder / name / "3").symlink_to(repository / name / "1")
    (folder / "broken" / "4").mkdir(parents=True)
    (folder / "broken" / "4" / "saved_model.pb").write_bytes(b"no model")
    config = folder.parent / f"{folder.name}.toml"
    config.write_text("[models.small.labels]\nstable = 3\n")
    serving = started(repository=folder, config=config, models={"small": {"labels": {"stable": 3}}})
    with grpc.insecure_channel(serving.target) as channel, Client(serving.target) as own:
        predictions = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        models = model_service_pb2_grpc.ModelServiceStub(channel)
        yield predictions, models, own, recorded
    serving.stop()


def request(model, tensors, signature="", typed=False):
    message = Predict()
    message.model_spec.name, message.model_spec.signature_name = model, signature
    for name, array in tensors.items():
        message.inputs[name].CopyFrom(as_typed(array) if typed else tf.make_tensor_proto(array))
    return message


def as_typed(array):
    """Write as clients without TensorFlow do, one number after the other in the list of its type."""
    proto = their_tensor.TensorProto(dtype=tf.as_dtype(array.dtype).as_datatype_enum)
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    lists = {"f4": "float_val", "f8": "double_val", "i8": "int64_val", "i4": "int_val"}
    getattr(proto, lists[array.dtype.str[1:]]).extend(array.ravel().tolist())
    return proto


def numbers(response):
    return {name: tf.make_ndarray(tensor) for name, tensor in response.outputs.items()}


@pytest.mark.parametrize("typed", [False, True], ids=["tensor_content", "typed values"])
@pytest.mark.parametrize("name", NAMES)
def test_a_savedmodel_answers_by_its_authors_names_bit_for_bit_as_carousel_v1(served, name, typed):
    """In typed values, by the names of its own outputs and no other, near what its maker recorded."""
    predictions, _, own, recorded = served
    inputs, outputs = recorded[name]
    response = predictions.Predict(request(name, inputs, typed=typed), timeout=30)
    samples = [{key: tensor[i] for key, tensor in inputs.items()} for i in range(len(next(iter(inputs.values()))))]
    same = own.predict(name, samples)
    found = numbers(response)
    assert found.keys() == outputs.keys()
    for key, array in found.items():
        assert array.dtype == outputs[key].dtype
        assert array.shape == outputs[key].shape
        assert array.tobytes() == np.stack([each.outputs[key] for each in same]).tobytes()
        assert response.outputs[key].float_val
        assert not response.outputs[key].tensor_content
    spec = response.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == (name, 1, "serving_default")


def test_a_client_of_the_half_plus_two_tutorial_changes_host_and_port_alone(served):
    """As the tutorials write it, for an LSTM that plain Keras exported."""
    from tensorflow_serving.apis import predict_pb2 as tutorial  # noqa: PLC0415 - as the tutorial does

    stub, *_, recorded = served
    inputs, outputs = recorded["windows"]
    asked = tutorial.PredictRequest()
    asked.model_spec.name = "windows"
    asked.model_spec.signature_name = "serving_default"
    asked.inputs["keras_tensor"].CopyFrom(
        tf.make_tensor_proto(inputs["keras_tensor"], shape=[*inputs["keras_tensor"].shape])
    )
    result = stub.Predict(asked, 10.0)
    values = np.array(result.outputs["output_0"].float_val).reshape(outputs["output_0"].shape)
    assert np.allclose(values, outputs["output_0"], atol=1e-5)


def test_the_one_input_of_a_model_may_have_any_name(served):
    predictions, *_ = served
    steps = np.random.default_rng(1).standard_normal((2, 5, 3), "f")
    [first, second] = [numbers(predictions.Predict(request("small", {key: steps}))) for key in ("inputs", "my_tensor")]
    [key] = first
    assert first[key].tobytes() == second[key].tobytes()


def test_sequence_last_step_and_the_states_are_signatures_of_their_own(served):
    """Two halves, the second from the states of the first, are the whole, bit for bit."""
    predictions, _, own, _ = served
    steps = np.random.default_rng(2).standard_normal((3, 9, 3), "f")
    every = np.stack([each.output for each in own.predict("small", list(steps), return_sequences=True)])
    sequence = numbers(predictions.Predict(request("small", {"x": steps}, "sequence")))
    last = numbers(predictions.Predict(request("small", {"x": steps}, "last_step")))
    assert sequence.keys() == {"sequence"}
    assert sequence["sequence"].tobytes() == every.tobytes()
    assert last.keys() == {"last_step"}
    assert last["last_step"].tobytes() == every[:, -1].tobytes()
    half = numbers(predictions.Predict(request("small", {"x": steps[:, :4]}, "advance")))
    states = {key: array for key, array in half.items() if key.endswith(("_h", "_c"))}
    assert len(states) == 2
    rest = numbers(predictions.Predict(request("small", {"x": steps[:, 4:]} | states, "advance")))
    (output,) = rest.keys() - states.keys()
    assert rest[output].tobytes() == every[:, -1].tobytes()


def test_output_filter_chooses(served):
    predictions, *_, recorded = served
    message = request("store_sales", recorded["store_sales"][0])
    message.output_filter.extend(["output_2", "output_0"])
    assert numbers(predictions.Predict(message)).keys() == {"output_0", "output_2"}


@pytest.mark.parametrize("choice", [{"version_label": "stable"}, {"version": 3}, {}])
def test_versions_and_labels_are_resolved(served, choice):
    predictions, models, *_ = served
    message = request("small", {"x": np.zeros((1, 2, 3), "f")})
    status = Status()
    status.model_spec.name = "small"
    for each in (message, status):
        if "version" in choice:
            each.model_spec.version.value = 3
        elif choice:
            each.model_spec.version_label = "stable"
    assert predictions.Predict(message).model_spec.version.value == 3
    [state] = models.GetModelStatus(status).model_version_status
    assert (state.version, state.state, state.status.error_code) == (3, 30, 0)


def test_a_version_that_cannot_be_served_has_ended_and_says_why(served):
    _, models, *_ = served
    status = Status()
    status.model_spec.name = "broken"
    [state] = models.GetModelStatus(status).model_version_status
    assert (state.version, state.state, state.status.error_code) == (4, 50, 9)
    assert "is not a SavedModel" in state.status.error_message


@pytest.mark.parametrize("name", [*NAMES, "small", "whole"])
def test_metadata_names_every_signature_and_each_is_callable(served, name):
    """What is described is what is taken and given: dtype, rank, every fixed dimension."""
    predictions, *_ = served
    message = Metadata(metadata_field=["signature_def"])
    message.model_spec.name = name
    response = predictions.GetModelMetadata(message)
    assert (response.model_spec.name, response.model_spec.signature_name) == (name, "")
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    assert {"serving_default", "serve"} <= signatures.signature_def.keys()
    for key, signature in signatures.signature_def.items():
        assert signature.method_name == "tensorflow/serving/predict"
        tensors = {}
        for each, info in signature.inputs.items():
            shape = [dim.size if dim.size > 0 else 2 for dim in info.tensor_shape.dim]
            tensors[each] = np.zeros(shape, tf.as_dtype(info.dtype).as_numpy_dtype)
        found = numbers(predictions.Predict(request(name, tensors, key)))
        assert found.keys() == signature.outputs.keys()
        for each, info in signature.outputs.items():
            assert found[each].dtype == tf.as_dtype(info.dtype).as_numpy_dtype
            declared = [dim.size for dim in info.tensor_shape.dim]
            assert len(declared) == found[each].ndim
            assert all(size in {-1, got} for size, got in zip(declared, found[each].shape, strict=True))


def spec(kind, **fields):
    message = kind()
    message.model_spec.name = fields.pop("name", "small")
    if "version" in fields:
        message.model_spec.version.value = fields.pop("version")
    for field in ("version_label", "signature_name"):
        if field in fields:
            setattr(message.model_spec, field, fields.pop(field))
    for key, value in fields.items():
        if key == "inputs":
            for name, array in value.items():
                message.inputs[name].CopyFrom(tf.make_tensor_proto(array))
        else:
            getattr(message, key).extend(value)
    return message


X = {"x": np.zeros((1, 2, 3), "f")}
PLAIN = {"inputs": X}
PREDICTIONS, MODELS = 0, 1
REFUSALS = [
    (PREDICTIONS, "Predict", Predict(), "INVALID_ARGUMENT", "Missing ModelSpec"),
    (PREDICTIONS, "Predict", spec(Predict, name=""), "INVALID_ARGUMENT", "ModelSpec has no name specified."),
    (PREDICTIONS, "Predict", spec(Predict, name="no"), "NOT_FOUND", "Servable not found for request: Latest(no)"),
    (
        PREDICTIONS,
        "Predict",
        spec(Predict, version=9),
        "NOT_FOUND",
        "Servable not found for request: Specific(small, 9)",
    ),
    (
        PREDICTIONS,
        "Predict",
        spec(Predict, version=0),
        "NOT_FOUND",
        "Servable not found for request: Specific(small, 0)",
    ),
    (
        PREDICTIONS,
        "Predict",
        spec(Predict, version_label="L"),
        "INVALID_ARGUMENT",
        "Unrecognized servable version label: L",
    ),
    (
        PREDICTIONS,
        "Predict",
        spec(Predict, signature_name="S", **PLAIN),
        "FAILED_PRECONDITION",
        'Serving signature key "S" not found.',
    ),
    (
        PREDICTIONS,
        "Predict",
        spec(Predict),
        "INVALID_ARGUMENT",
        "input size does not match signature: 0!=1 len({}) != len({",
    ),
    (
        PREDICTIONS,
        "Predict",
        spec(Predict, name="store_sales", inputs={"a": X["x"], "prices": X["x"]}),
        "INVALID_ARGUMENT",
        "input size does not match signature: 2!=2 len({a,prices}) != len({prices,store}). Sent extra: {a}. Missing",
    ),
    (
        PREDICTIONS,
        "Predict",
        spec(Predict, output_filter=["y"], **PLAIN),
        "INVALID_ARGUMENT",
        "output tensor alias not found in signature: y Outputs expected to be in the set {",
    ),
    (
        PREDICTIONS,
        "Predict",
        spec(Predict, name="windows", output_filter=["output_0"] * 2, inputs={"x": np.zeros((1, 20, 5), "f")}),
        "INVALID_ARGUMENT",
        "duplicate output tensor alias: output_0",
    ),
    (
        PREDICTIONS,
        "Predict",
        spec(Predict, inputs={"x": np.zeros((1, 2, 4), "f")}),
        "INVALID_ARGUMENT",
        ".tensor_shape: has input_dim 4, the model takes 3",
    ),
    (
        PREDICTIONS,
        "Predict",
        spec(Predict, inputs={"x": np.zeros((1, 0, 3), "f")}),
        "INVALID_ARGUMENT",
        "has zero timesteps",
    ),
    (
        PREDICTIONS,
        "Predict",
        spec(Predict, inputs={"x": np.zeros((0, 2, 3), "f")}),
        "INVALID_ARGUMENT",
        "expected one batch size, at least 1",
    ),
    (PREDICTIONS, "Predict", spec(Predict, inputs={"x": np.float32(1)}), "INVALID_ARGUMENT", "at least 1"),
    (
        PREDICTIONS,
        "Predict",
        spec(Predict, inputs={"x": np.zeros((5000, 2, 3), "f")}),
        "INVALID_ARGUMENT",
        "holds 5000 sequences, the limit is 4096",
    ),
    (
        PREDICTIONS,
        "Predict",
        spec(Predict, name="windows", inputs={"x": np.zeros((1, 21, 5), "f")}),
        "INVALID_ARGUMENT",
        "takes exactly 20",
    ),
    (
        PREDICTIONS,
        "Predict",
        spec(Predict, inputs={"x": np.full((1, 2, 3), np.nan, "f")}),
        "INVALID_ARGUMENT",
        "only finite values",
    ),
    (
        PREDICTIONS,
        "Predict",
        spec(Predict, inputs={"x": np.full((1, 2, 3), 1e300)}),
        "INVALID_ARGUMENT",
        "only finite values",
    ),
    (
        PREDICTIONS,
        "Predict",
        spec(Predict, inputs={"x": np.array([[["a"]]])}),
        "INVALID_ARGUMENT",
        ".dtype: is DT_STRING, expected that of a number",
    ),
    (
        PREDICTIONS,
        "Predict",
        spec(Predict, name="whole", signature_name="advance", **PLAIN),
        "FAILED_PRECONDITION",
        'Serving signature key "advance" not found.',
    ),
    (
        PREDICTIONS,
        "GetModelMetadata",
        spec(Metadata),
        "INVALID_ARGUMENT",
        "GetModelMetadataRequest must specify at least one metadata_field",
    ),
    (
        PREDICTIONS,
        "GetModelMetadata",
        spec(Metadata, metadata_field=["F"]),
        "INVALID_ARGUMENT",
        "Metadata field F is not supported",
    ),
    (
        PREDICTIONS,
        "GetModelMetadata",
        Metadata(metadata_field=["signature_def"]),
        "INVALID_ARGUMENT",
        "Missing ModelSpec",
    ),
    (
        PREDICTIONS,
        "GetModelMetadata",
        spec(Metadata, name="no", metadata_field=["signature_def"]),
        "NOT_FOUND",
        "Servable not found for request: Latest(no)",
    ),
    (PREDICTIONS, "Classify", classification_pb2.ClassificationRequest(), "UNIMPLEMENTED", "Classify takes tf.Example"),
    (PREDICTIONS, "Regress", regression_pb2.RegressionRequest(), "UNIMPLEMENTED", "Regress takes tf.Example"),
    (
        PREDICTIONS,
        "MultiInference",
        inference_pb2.MultiInferenceRequest(),
        "UNIMPLEMENTED",
        "MultiInference takes tf.Example",
    ),
    (MODELS, "GetModelStatus", Status(), "INVALID_ARGUMENT", "Missing ModelSpec"),
    (MODELS, "GetModelStatus", spec(Status, name="no"), "NOT_FOUND", "Could not find any versions of model no"),
    (MODELS, "GetModelStatus", spec(Status, version=9), "NOT_FOUND", "Could not find version 9 of model small"),
    (
        MODELS,
        "GetModelStatus",
        spec(Status, version_label="L"),
        "INVALID_ARGUMENT",
        "Unrecognized servable version label: L",
    ),
    (
        MODELS,
        "HandleReloadConfigRequest",
        model_management_pb2.ReloadConfigRequest(),
        "PERMISSION_DENIED",
        "models, versions and labels are read from",
    ),
]


@pytest.mark.parametrize(("service", "rpc", "message", "code", "words"), REFUSALS, ids=lambda value: str(value)[:30])
def test_what_is_refused_is_refused_in_the_words_that_clients_match(
    served, refusal, service, rpc, message, code, words
):
    refused = refusal(getattr(served[service], rpc), message)
    assert refused.code.name == code, refused.message
    assert words in refused.message
    if not words.startswith((".", "has ", "holds", "only", "takes", "at least", "expected")):
        assert refused.message.startswith(words)


DTYPES = [
    "float32",
    "float64",
    "float16",
    "int64",
    "int32",
    "int16",
    "int8",
    "uint64",
    "uint32",
    "uint16",
    "uint8",
    "bool",
]
LISTS = {"float32": "float_val", "float64": "double_val", "int64": "int64_val", "uint32": "uint32_val"}
LISTS |= {"uint64": "uint64_val", "bool": "bool_val", "float16": "half_val"}


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_tensor_reads_as_tensorflows_own_reader_reads_it(data):
    """Of every type; lists that are too short, empty or too long among them; and written, TensorFlow reads it."""
    name = data.draw(st.sampled_from([*DTYPES, "bfloat16"]))
    dtype = np.dtype("uint16") if name == "bfloat16" else np.dtype(name)
    array = data.draw(arrays(dtype, array_shapes(min_dims=0, max_dims=3, max_side=3)))
    proto = tensor_pb2.TensorProto(dtype=tf.as_dtype(name).as_datatype_enum)
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    if data.draw(st.booleans()) and array.size:
        proto.tensor_content = array.tobytes()
    values = array.view(np.uint16) if name == "float16" else array
    kept = data.draw(st.integers(0, array.size + 1))
    field = LISTS.get(name, "half_val" if name == "bfloat16" else "int_val")
    getattr(proto, field).extend([*values.ravel().tolist(), *values.ravel().tolist()][:kept])
    faults = []
    ours = read_tensor("x", proto, faults)
    theirs = tf.io.parse_tensor(proto.SerializeToString(), tf.as_dtype(name))
    if name == "bfloat16":
        theirs = tf.cast(theirs, tf.float32)
    assert not faults
    assert ours.shape == tuple(theirs.shape)
    assert np.ascontiguousarray(ours).tobytes() == theirs.numpy().tobytes() or np.isnan(ours).any()
    if name != "bfloat16":
        written = tensor_pb2.TensorProto()
        write_tensor(array, written)
        again = tf.make_ndarray(their_tensor.TensorProto.FromString(written.SerializeToString()))
        assert again.dtype == array.dtype
        assert again.tobytes() == array.tobytes() or np.isnan(array).any()


def test_every_message_has_the_fields_and_numbers_of_tensorflow_serving():
    """Those that are there; whoever reflects sees the same names."""
    theirs = descriptor_pool.Default()
    for imported in (file_system_storage_path_source_pb2, model_server_config_pb2):
        assert imported.DESCRIPTOR.package == "tensorflow.serving"
    files = (serving_pb2.DESCRIPTOR, tensor_pb2.DESCRIPTOR, POOL.FindFileByName("carousel/tfserving/config.proto"))
    seen = 0
    messages = {message.name: message for file in files for message in file.message_types_by_name.values()}
    del messages["SSLConfig"]  # of a file alone, and not among the stubs
    for message in messages.values():
        for each in (message, *message.nested_types):
            other = theirs.FindMessageTypeByName(each.full_name)
            for field in each.fields:
                known = other.fields_by_name[field.name]
                assert (known.number, known.is_repeated) == (field.number, field.is_repeated), field.full_name
                if field.name != "error_code":  # an open enum there
                    assert known.type == field.type, field.full_name
                seen += 1
    assert seen > 60


def test_reflection_knows_the_true_names(channel):
    database = ProtoReflectionDescriptorDatabase(channel)
    assert {"tensorflow.serving.PredictionService", "tensorflow.serving.ModelService"} <= set(database.get_services())
    pool = descriptor_pool.DescriptorPool(database)
    method = pool.FindServiceByName("tensorflow.serving.PredictionService").FindMethodByName("Predict")
    tensor = method.input_type.fields_by_name["inputs"].message_type.fields_by_name["value"].message_type
    assert tensor.full_name == "tensorflow.TensorProto"


@pytest.mark.parametrize("first", ["tensorflow", "carousel.server"])
def test_the_server_and_tensorflow_live_in_one_process(first):
    """Whoever is imported first; and the client brings no messages of TensorFlow's names."""
    second = {"tensorflow": "carousel.server", "carousel.server": "tensorflow"}[first]
    program = (
        "import sys, carousel.client\n"
        "assert not [name for name in sys.modules if name.startswith('carousel.stubs.tfserving')]\n"
        f"import {first}, {second}\n"
        "from tensorflow_serving.apis import predict_pb2\n"
        "import carousel.rpc.services\n"
        "print('both')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == "both\n", done.stderr[-2000:]
