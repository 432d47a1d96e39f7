"""Whatever bytes arrive at any rpc, the answer is in words: never a bug, never a traceback, and the next is served.

The rpcs are those the server has registered: a new one is fuzzed by being there. Its messages are made from its
descriptor, with words that reach far into the readers, and half of them are then damaged byte by byte. The seed is
fixed, so a failure comes again; FUZZ_SEED and FUZZ_MESSAGES in the environment set others for `make soak`.
"""

import os
import random
from typing import NamedTuple

import grpc
import numpy as np
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from carousel.client import Client
from carousel.stubs.oip import open_inference_pb2
from carousel.stubs.tfserving import serving_pb2
from carousel.stubs.v1 import inference_pb2
from carousel.telemetry import Usage

FILES = [module.DESCRIPTOR for module in (inference_pb2, open_inference_pb2, serving_pb2, health_pb2, reflection_pb2)]
WORDS = [
    "",
    "small",
    "inputs",
    "x",
    "lengths",
    "FP32",
    "INT64",
    "1",
    "sequence_id",
    "sequence_start",
    "serving_default",
]
WORDS += [
    "serving_default",
    "signature_def",
    "carousel.v1.InferenceService",
    "\N{HORSE}" * 200,
    "n" * 5000,
    "9" * 400,
    "\0",
]
NUMBERS = [0, 1, 2, 3, 12, -1, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63), 2**64 - 1]
NEVER = {
    grpc.StatusCode.INTERNAL,  # a bug of ours
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.DEADLINE_EXCEEDED,  # not answered
    grpc.StatusCode.UNAVAILABLE,  # the server is gone
}
ANSWERED = ["/carousel.v1.InferenceService/Predict", "/inference.GRPCInferenceService/ModelInfer"]
ANSWERED += ["/tensorflow.serving.PredictionService/Predict"]
INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}


def _good():
    """Serialize requests that are answered: damage to these reaches further than messages of chance."""
    predict = inference_pb2.PredictRequest(model="small", return_sequences=True)
    predict.inputs.add(dtype=inference_pb2.DATA_TYPE_FLOAT32, shape=[2, 3], content=bytes(24))
    infer = open_inference_pb2.ModelInferRequest(model_name="small", raw_input_contents=[bytes(24)])
    infer.inputs.add(name="inputs", datatype="FP32", shape=[1, 2, 3])
    tensors = serving_pb2.PredictRequest()
    tensors.model_spec.name = "small"
    tensor = tensors.inputs["x"]
    tensor.dtype, tensor.tensor_content = 1, bytes(24)
    for size in (1, 2, 3):
        tensor.tensor_shape.dim.add(size=size)
    return {each.DESCRIPTOR.full_name: each.SerializeToString() for each in (predict, infer, tensors)}


GOOD = _good()


class Rpc(NamedTuple):
    """The type of its messages, and how many go each way."""

    input_type: Descriptor
    client_streaming: bool
    server_streaming: bool


def described(path):
    """Describe an rpc by its path; both versions of reflection are the same on the wire.

    Rpcs that the server names only to refuse them are in no proto of ours: they get messages of a neighbour's type.
    """
    service, name = path.replace(".v1.ServerReflection", ".v1alpha.ServerReflection").strip("/").split("/")
    for file in FILES:
        for each in file.services_by_name.values():
            if each.full_name == service:
                method = each.methods_by_name.get(name)
                if method is None:
                    return Rpc(each.methods[0].input_type, client_streaming=False, server_streaming=False)
                return Rpc(method.input_type, method.client_streaming, method.server_streaming)
    raise LookupError(f"add the stubs of {path} to FILES")


class Mutator:
    """Makes messages of any type, good ones and bad ones, the same ones for the same seed."""

    def __init__(self, seed):
        self.chance = random.Random(seed)

    def message(self, descriptor):
        """Serialize one message; half of them are damaged. Some begin as one that is answered, where GOOD has it."""
        good = GOOD.get(descriptor.full_name)
        if good is None or self.chance.random() < 0.5:
            made = GetMessageClass(descriptor)()
            self._fill(made, depth=5)
            message = bytearray(made.SerializeToString())
        else:
            message = bytearray(good)
        if self.chance.random() < 0.5:
            for _ in range(self.chance.randint(1, 8)):
                self._damage(message)
        return bytes(message)

    def _fill(self, message, depth):
        for field in message.DESCRIPTOR.fields:
            if self.chance.random() < 0.4:
                continue
            entry = field.message_type
            if entry is not None and entry.GetOptions().map_entry:
                self._fill_map(message, field, depth)
            elif entry is not None:
                if depth:
                    repeated = field.is_repeated
                    for _ in range(self.chance.randint(1, 3) if repeated else 1):
                        inner = getattr(message, field.name)
                        child = inner.add() if repeated else inner
                        child.SetInParent()
                        self._fill(child, depth - 1)
            elif field.is_repeated:
                getattr(message, field.name).extend(self._value(field) for _ in range(self.chance.randint(1, 4)))
            else:
                setattr(message, field.name, self._value(field))

    def _fill_map(self, message, field, depth):
        key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
        for _ in range(self.chance.randint(1, 3)):
            entries = getattr(message, field.name)
            if value.message_type is None:
                entries[self._value(key)] = self._value(value)
            elif depth:
                self._fill(entries[self._value(key)], depth - 1)

    def _value(self, field):
        kind = field.cpp_type
        if kind in INTEGERS:
            low, high = INTEGERS[kind]
            return min(max(self.chance.choice(NUMBERS), low), high)
        if kind == FieldDescriptor.CPPTYPE_BOOL:
            return self.chance.random() < 0.5
        if kind == FieldDescriptor.CPPTYPE_ENUM:
            return self.chance.choice(field.enum_type.values).number
        if kind == FieldDescriptor.CPPTYPE_STRING:
            if field.type == FieldDescriptor.TYPE_BYTES:
                return self.chance.randbytes(self.chance.choice([0, 1, 4, 12, 24, 100]))
            known = field.name in {"model", "model_name", "name"} and self.chance.random() < 0.5
            return "small" if known else self.chance.choice(WORDS)
        return self.chance.choice([0.0, 1.0, -1.5, float("nan"), float("inf")])

    def _damage(self, message):
        at = self.chance.randint(0, len(message))
        match self.chance.randrange(4):
            case 0:
                del message[at:]
            case 1:
                message[at : at + 1] = self.chance.randbytes(1)
            case 2:
                message[at:at] = self.chance.randbytes(self.chance.randint(1, 8))
            case 3:
                message += message[at : at + 32]


def answered(channel, path, rpc, messages):
    """Call an rpc with these messages, and return how it ended. A stream without end is left at its first answer."""
    try:
        if not rpc.client_streaming:
            if not rpc.server_streaming:
                channel.unary_unary(path)(messages[0], timeout=30)
                return grpc.StatusCode.OK
            call = channel.unary_stream(path)(messages[0], timeout=30)
            next(call, None)
            call.cancel()
            return call.code()
        for _ in channel.stream_stream(path)(iter(messages), timeout=30):
            pass
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def fuzz(serving, count, seed):
    """Send `count` messages over all rpcs in turn; return the statuses seen, by rpc."""
    mutator = Mutator(seed)
    methods = {path: described(path) for path in sorted(serving.server._services.methods)}
    seen = {path: set() for path in methods}
    sent = 0
    with grpc.insecure_channel(serving.target) as channel:
        while sent < count:
            for path, method in methods.items():
                some = mutator.chance.randint(1, 4) if method.client_streaming else 1
                messages = [mutator.message(method.input_type) for _ in range(some)]
                sent += some
                code = answered(channel, path, method, messages)
                assert code not in NEVER, (path, code, messages)
                seen[path].add(code)
    return seen


def check(serving, caplog, count, seed):
    with Client(serving.target) as polite:
        fuzz(serving, min(count, 500), seed)
        before = Usage.now().resident_bytes
        seen = fuzz(serving, count, seed + 1)
        assert Usage.now().resident_bytes - before < 128 << 20
        assert polite.predict("small", [np.ones((2, 3))], timeout=30)[0].output.shape == (2,)
    for path in ANSWERED:
        assert grpc.StatusCode.OK in seen[path], path  # some went all the way
    assert "Traceback" not in caplog.text
    assert not [record for record in caplog.records if record.exc_info]


def test_no_message_over_any_rpc_is_answered_by_a_bug(server, caplog):
    check(server(), caplog, 1000, seed=20)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_no_message_of_very_many_is_answered_by_a_bug(server, caplog):
    seed = int(os.environ.get("FUZZ_SEED", "0"))
    check(server(), caplog, int(os.environ.get("FUZZ_MESSAGES", "2000000")), seed)
