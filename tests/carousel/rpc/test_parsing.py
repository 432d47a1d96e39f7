"""Lists of varints are counted before they are parsed: one byte each on the wire may be eight in memory."""

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given
from hypothesis import strategies as st

from carousel.errors import InvalidRequest
from carousel.rpc import parsing
from carousel.rpc.parsing import parse
from carousel.stubs.oip import open_inference_pb2
from carousel.stubs.tfserving import serving_pb2
from carousel.stubs.v1 import inference_pb2

REQUESTS = [
    method.input_type
    for module in (inference_pb2, open_inference_pb2, serving_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]
VARINTS = {
    FieldDescriptor.TYPE_BOOL,
    FieldDescriptor.TYPE_ENUM,
    FieldDescriptor.TYPE_INT32,
    FieldDescriptor.TYPE_INT64,
    FieldDescriptor.TYPE_UINT32,
    FieldDescriptor.TYPE_UINT64,
    FieldDescriptor.TYPE_SINT32,
    FieldDescriptor.TYPE_SINT64,
}


def lists(descriptor, way=()):
    """Find every list of varints of a message, those of the messages inside it too, by the fields that lead there."""
    for field in descriptor.fields:
        if field.message_type is not None:
            if field not in way:
                yield from lists(field.message_type, (*way, field))
        elif field.is_repeated and field.type in VARINTS:
            yield (*way, field)


LISTS = {
    f"{descriptor.full_name}.{'.'.join(field.name for field in way)}": (descriptor, way)
    for descriptor in REQUESTS
    for way in lists(descriptor)
}


def varint(value):
    written = b""
    while value > 0x7F:
        written += bytes([value & 0x7F | 0x80])
        value >>= 7
    return written + bytes([value])


def wrapped(way, content):
    """Put packed content at the end of a way into a message."""
    for field in reversed(way):
        content = varint(field.number << 3 | 2) + varint(len(content)) + content
    return content


@pytest.mark.parametrize("name", LISTS)
def test_no_list_of_any_request_grows_beyond_its_bound(name):
    descriptor, way = LISTS[name]
    kind = GetMessageClass(descriptor)
    with pytest.raises(InvalidRequest, match=f"more than {parsing._MAX_NUMBERS} numbers"):
        parse(kind, wrapped(way, b"\x01" * (parsing._MAX_NUMBERS + 1)))


INPUTS = b"\x1a\x00" * (parsing._MAX_FIELDS + 1)
NUMBERS = wrapped(LISTS["carousel.v1.PredictRequest.inputs.shape"][1], b"\x01" * (parsing._MAX_NUMBERS + 1))
HIDDEN = {
    "behind a group": b"\xfb\x07\x08\x01\xfc\x07",
    "behind a tensor that is cut off": b"\x1a\x02\x12\x7f",
    "behind a tensor of a group": b"\x1a\x02\x0b\x0c",
    "behind a field of no number": b"\x02\x00",
}
BEHIND = {"a tensor that is cut off": b"\x1a\x02\x12\x7f", "no protobuf": b"\x0f", "half a field": b"\x1a"}


@pytest.mark.parametrize("flood", [INPUTS, NUMBERS], ids=["inputs", "numbers"])
@pytest.mark.parametrize("case", HIDDEN)
def test_nothing_before_a_flood_hides_it(case, flood):
    with pytest.raises(InvalidRequest, match="more than"):
        parse(inference_pb2.PredictRequest, HIDDEN[case] + flood)


@pytest.mark.parametrize("flood", [INPUTS, NUMBERS], ids=["inputs", "numbers"])
@pytest.mark.parametrize("case", BEHIND)
def test_nothing_behind_a_flood_hides_it(case, flood):
    """The parser would build all of it before it finds the fault."""
    with pytest.raises(InvalidRequest, match="more than"):
        parse(inference_pb2.PredictRequest, flood + BEHIND[case])


def test_every_protocol_has_such_lists():
    assert {name.split(".")[0] for name in LISTS} == {"carousel", "inference", "tensorflow"}


@given(st.lists(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=40), max_size=6))
def test_the_numbers_are_counted_exactly(shapes):
    """However many bytes each takes: as many as may be are parsed, one more is refused."""
    request = inference_pb2.PredictRequest(inputs=[inference_pb2.Tensor(shape=shape) for shape in shapes])
    count, message = sum(map(len, shapes)), request.SerializeToString()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(parsing, "_SMALL", -1)
        patched.setattr(parsing, "_MAX_NUMBERS", count)
        assert parse(type(request), message) == request
        patched.setattr(parsing, "_MAX_NUMBERS", count - 1)
        if count:
            with pytest.raises(InvalidRequest):
                parse(type(request), message)
