"""No message makes the server stand still, grow or fail: each is refused in words, and the next one is answered.

These messages are small, or within the limits, and each once cost seconds of the loop or gigabytes of memory. No time
is asserted: the polite call after a message that was walked before it was measured would miss its deadline.
"""

import grpc
import numpy as np
import pytest

from carousel.client import Client
from carousel.serving import write_snapshot
from carousel.stubs.oip import open_inference_pb2 as oip
from carousel.stubs.tfserving import serving_pb2 as tfs
from carousel.stubs.tfserving.tensor_pb2 import TensorProto
from carousel.stubs.v1 import inference_pb2 as v1
from carousel.telemetry import Usage

PREDICT = "/carousel.v1.InferenceService/Predict"
INFER = "/inference.GRPCInferenceService/ModelInfer"
TFS_PREDICT = "/tensorflow.serving.PredictionService/Predict"
TFS_METADATA = "/tensorflow.serving.PredictionService/GetModelMetadata"
TFS_STATUS = "/tensorflow.serving.ModelService/GetModelStatus"
WATCH = "/grpc.health.v1.Health/Check"
FLOAT32 = v1.DATA_TYPE_FLOAT32

BAD = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.RESOURCE_EXHAUSTED}
MIB = 1 << 20


def v1_tensor(**fields):
    return v1.PredictRequest(model="small", inputs=[v1.Tensor(dtype=FLOAT32, **fields)]).SerializeToString()


def infer(shape, raw=b"", **fields):
    message = oip.ModelInferRequest(model_name="small", raw_input_contents=[raw], **fields)
    message.inputs.add(name="inputs", datatype="FP32", shape=shape)
    return message.SerializeToString()


def tfs_predict(*shape, signature="", **fields):
    message = tfs.PredictRequest()
    message.model_spec.name, message.model_spec.signature_name = "small", signature
    tensor = message.inputs["x"]
    tensor.dtype = 1
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    for field, value in fields.items():
        if isinstance(value, bytes):
            setattr(tensor, field, value)
        else:
            getattr(tensor, field).extend(value)
    return message.SerializeToString()


def long_answer():
    """Half a million timesteps of three floats: 6 MB in, and an answer of 4 MB, which the limit of the test forbids."""
    return v1.PredictRequest(
        model="small",
        inputs=[v1.Tensor(dtype=FLOAT32, shape=[500_000, 3], content=bytes(6_000_000))],
        return_sequences=True,
    ).SerializeToString()


MESSAGES = {
    "a million huge dimensions": (PREDICT, v1_tensor(shape=[2**62] * 100_000)),
    "dimensions whose product is zero": (INFER, infer([300_000_000, 0, 4])),
    "a dimension that no memory holds": (INFER, infer([2**40, 0, 4])),
    "a million dimensions over the other protocol": (INFER, infer([2**62] * 100_000)),
    "two million empty inputs": (INFER, infer([1, 1, 3]) + b"\x2a\x00" * 2_000_000),
    "two million empty outputs": (INFER, infer([1, 1, 3]) + b"\x32\x00" * 2_000_000),
    "two million empty contents": (INFER, infer([1, 1, 3]) + b"\x3a\x00" * 2_000_000),
    "eight million empty tensors": (PREDICT, v1_tensor() + b"\x1a\x00" * 8_000_000),
    "as many empty tensors as are parsed unmeasured": (PREDICT, v1_tensor() + b"\x1a\x00" * 30_000),
    "two million empty states": (PREDICT, v1_tensor() + b"\x32\x00" * 2_000_000),
    "unknown fields": (PREDICT, v1_tensor() + b"\xf8\x07\x01" * 2_000_000),
    "sixteen million dimensions of a byte": (PREDICT, v1_tensor(shape=[1] * (16 * MIB))),
    "sixteen million tokens of a byte": (
        INFER,
        oip.ModelInferRequest(
            model_name="small",
            inputs=[
                oip.ModelInferRequest.InferInputTensor(
                    name="inputs", shape=[1, 1, 3], contents=oip.InferTensorContents(int64_contents=[1] * (16 * MIB))
                )
            ],
        ).SerializeToString(),
    ),
    "sixteen million of TensorFlow's whole numbers of a byte": (
        TFS_PREDICT,
        tfs_predict(1, int64_val=[1] * (16 * MIB)),
    ),
    "lengths of a million sequences": (
        INFER,
        oip.ModelInferRequest(
            model_name="small",
            inputs=[
                oip.ModelInferRequest.InferInputTensor(name="inputs", datatype="FP32", shape=[1, 1, 3]),
                oip.ModelInferRequest.InferInputTensor(name="lengths", datatype="INT64", shape=[500_000]),
            ],
            raw_input_contents=[bytes(12), bytes(4_000_000)],
        ).SerializeToString(),
    ),
    "a version of five thousand digits": (INFER, infer([1, 1, 3], bytes(12), model_version="9" * 5000)),
    "a name of ten thousand horses": (PREDICT, v1.PredictRequest(model="\N{HORSE}" * 10_000).SerializeToString()),
    "an id of a megabyte": (INFER, infer([1, 1, 3], bytes(12), id="i" * MIB)),
    "a sequence id of a megabyte": (
        INFER,
        oip.ModelInferRequest(
            model_name="small",
            inputs=[oip.ModelInferRequest.InferInputTensor(name="inputs", datatype="FP32", shape=[1, 1, 3])],
            raw_input_contents=[bytes(12)],
            parameters={"sequence_id": oip.InferParameter(string_param="s" * MIB)},
        ).SerializeToString(),
    ),
    "an answer larger than may be": (PREDICT, long_answer()),
    "TensorFlow's tensor of a terabyte in one float": (TFS_PREDICT, tfs_predict(4096, 2**24, 3, float_val=[1.0])),
    "TensorFlow's tensor of 2**62 in every dimension": (TFS_PREDICT, tfs_predict(*[2**62] * 8, float_val=[1.0])),
    "TensorFlow's tensor of a hundred thousand dimensions": (TFS_PREDICT, tfs_predict(*[1] * 100_000)),
    "TensorFlow's dimensions whose product is zero": (TFS_PREDICT, tfs_predict(2**40, 0, 3)),
    "TensorFlow's tensor filled up beyond the largest answer": (
        TFS_PREDICT,
        tfs_predict(1, 2**20, 3, signature="sequence", float_val=[1.0]),
    ),
    "TensorFlow's tensor of bytes without a shape": (TFS_PREDICT, tfs_predict(tensor_content=bytes(MIB))),
    "two million empty output filters": (TFS_PREDICT, tfs_predict(1, 1, 3) + b"\x1a\x00" * 2_000_000),
    "two million empty inputs of TensorFlow's": (TFS_PREDICT, tfs_predict(1, 1, 3) + b"\x12\x00" * 2_000_000),
    "a thousand inputs of TensorFlow's": (
        TFS_PREDICT,
        tfs.PredictRequest(
            model_spec=tfs.ModelSpec(name="small"), inputs={f"x{i}": TensorProto(dtype=1) for i in range(1000)}
        ).SerializeToString(),
    ),
    "metadata of a million fields": (TFS_METADATA, tfs_predict()[:8] + b"\x12\x01F" * 1_000_000),
    "the status of a name of a megabyte": (
        TFS_STATUS,
        tfs.GetModelStatusRequest(model_spec=tfs.ModelSpec(name="n" * MIB)).SerializeToString(),
    ),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_a_hostile_message_is_refused_in_words_and_costs_bounded_memory(server, refusal, name, caplog):
    serving = server(max_reply_bytes=MIB)
    path, message = MESSAGES[name]
    options = [("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(serving.target, options) as channel, Client(serving.target) as polite:
        before = Usage.now().resident_bytes
        refused = refusal(channel.unary_unary(path), message)
        assert refused.code in BAD, refused.message
        assert len(refused.message) < 4096
        assert polite.predict("small", [np.ones((2, 3))], timeout=10)[0].output.shape == (2,)
        assert Usage.now().resident_bytes - before < 6 * len(message) + 64 * MIB
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(("timesteps", "value"), [(2**64 - 1, 0.0), (7, np.nan)])
def test_a_forged_state_is_refused(server, refusal, timesteps, value):
    """Its checksum is right; no server of ours wrote it all the same."""
    serving = server()
    version = serving.on_loop(lambda: serving.server._catalog.find("small").version)
    forged = write_snapshot(version.fingerprint, timesteps, np.full(version.state_width, value, np.float32))
    request = v1.PredictRequest(model="small", initial_state=[forged])
    request.inputs.add(dtype=FLOAT32, shape=[1, 3], content=bytes(12))
    with grpc.insecure_channel(serving.target) as channel:
        refused = refusal(channel.unary_unary(PREDICT), request.SerializeToString())
        assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
        assert refused.reason == "SnapshotRefused"


def test_requests_that_wait_hold_bounded_memory(server):
    """While one request waits for its answer, another that would exceed the limit together with it is told to wait."""
    serving = server(max_held_bytes=2 * MIB)
    with Client(serving.target) as client:
        small = [np.ones((10, 3), np.float32)]
        assert client.predict("small", small)[0].output.shape == (2,)
        assert serving.on_loop(lambda: serving.server._services.requests.held_bytes) == 0
