"""Unary calls through stock clients, over real sockets."""

import asyncio
import math
import time
from urllib.parse import quote

import grpc
import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from hypothesis import example, given, settings
from hypothesis import strategies as st

from carousel.transport import MAX_DETAILS, MAX_MESSAGE, Code, Status, Unary

PRINTABLE = bytes(set(range(0x20, 0x7F)) - set(b"%"))


def failure(call):
    """Return the error of a client's call that must fail."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value


def wire_bytes(text):
    """How many bytes gRPC's percent-encoding makes of a text, by the standard library's."""
    return len(quote(text, safe=PRINTABLE))


def test_a_message_comes_back_as_it_went(channel, methods):
    """Bytes are bytes: empty, with zeros, of any size."""
    echo = channel(methods).unary_unary("/t.T/Echo")

    @settings(max_examples=60, deadline=None)
    @given(st.binary(max_size=5000))
    def holds(message):
        assert echo(message, timeout=10) == message

    holds()


def test_aio_clients_are_answered_too(polled, methods):
    """The asyncio client sees the same server."""

    async def talk(address):
        async with grpc.aio.insecure_channel(address) as channel:
            return await asyncio.gather(*(channel.unary_unary("/t.T/Echo")(b"%d" % i, timeout=10) for i in range(50)))

    assert asyncio.run(talk(polled(methods).address)) == [b"%d" % i for i in range(50)]


def test_a_call_knows_what_the_client_said(channel):
    """Method, metadata, peer and deadline are the client's own; no deadline is infinity."""
    seen = []

    def look(call, message):
        seen.append((call.method, dict(call.metadata), call.peer, call.deadline - time.monotonic(), call.identities))
        call.reply(message)

    stub = channel({"/t.T/Look": Unary(look)}).unary_unary("/t.T/Look")
    stub(b"", timeout=30, metadata=(("token", "secret"), ("raw-bin", b"\xff")))
    stub(b"")
    (method, metadata, peer, left, identities), (_, _, _, endless, _) = seen
    assert method == "/t.T/Look"
    assert (metadata["token"], metadata["raw-bin"]) == ("secret", b"\xff")
    assert peer.startswith("ipv4:127.0.0.1:")
    assert 20 < left <= 30.1
    assert endless == math.inf
    assert all(isinstance(value, bytes) for values in identities.values() for value in values)


def test_a_rich_status_is_readable_with_the_stock_library(channel):
    """Code, message, google.rpc details and trailing metadata arrive together."""
    violation = error_details_pb2.BadRequest.FieldViolation(field="inputs[0]", description="is a NaN")
    packed = any_pb2.Any()
    packed.Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    rich = status_pb2.Status(code=Code.INVALID_ARGUMENT, message="naïve: no", details=[packed])

    def refuse(call, _):
        call.fail(Status(rich.code, rich.message, rich.SerializeToString()), (("retry-after", "1"), ("why-bin", b"\0")))

    error = failure(lambda: channel({"/t.T/No": Unary(refuse)}).unary_unary("/t.T/No")(b"", timeout=10))
    assert (error.code(), error.details()) == (grpc.StatusCode.INVALID_ARGUMENT, rich.message)
    assert rpc_status.from_call(error) == rich
    trailing = dict(error.trailing_metadata())
    assert (trailing["retry-after"], trailing["why-bin"]) == ("1", b"\0")


def test_every_code_arrives_as_itself(channel):
    """`Code` has gRPC's numbers."""
    stub = channel({"/t.T/No": Unary(lambda call, m: call.fail(Status(int(m), "no")))}).unary_unary("/t.T/No")
    for code in Code:
        if code is not Code.OK:
            assert failure(lambda code=code: stub(b"%d" % code, timeout=10)).code().name == code.name


def test_a_status_too_long_for_clients_still_says_its_code(channel):
    """Trailers past 8 KiB would be refused whole by the client: the message is cut, the details stay behind."""
    long = Status(Code.NOT_FOUND, "x" * 50_000, b"x" * (MAX_DETAILS + 1))
    fits = Status(Code.NOT_FOUND, "x" * MAX_MESSAGE, b"x" * MAX_DETAILS)
    served = {"/t.T/Long": Unary(lambda call, _: call.fail(long)), "/t.T/Fits": Unary(lambda call, _: call.fail(fits))}
    connected = channel(served)
    for name, kept in (("Long", False), ("Fits", True)):
        error = failure(lambda name=name: connected.unary_unary(f"/t.T/{name}")(b"", timeout=10))
        assert error.code() is grpc.StatusCode.NOT_FOUND
        cut = "x" * (MAX_MESSAGE - 12) + "...TRUNCATED"
        assert error.details() == ("x" * MAX_MESSAGE if kept else cut)
        assert ("grpc-status-details-bin" in dict(error.trailing_metadata())) is kept


def test_any_status_arrives_whatever_script_it_is_written_in(channel):
    """The code, and as much of the text as its encoded bytes allow, in whole characters; all of a short one."""
    said = {}
    served = {"/t.T/No": Unary(lambda call, _: call.fail(Status(Code.NOT_FOUND, said["text"], b"x" * MAX_DETAILS)))}
    stub = channel(served).unary_unary("/t.T/No")

    @settings(max_examples=80, deadline=None)
    @given(st.text(max_size=8).flatmap(lambda some: st.sampled_from([some, 1000 * some, "a" * 1497 + some])))
    @example(2000 * "\N{ELEPHANT}")
    @example(1500 * "%")
    @example("\ud800 alone")
    def holds(text):
        said["text"] = text
        error = failure(lambda: stub(b"", timeout=10))
        sent = text.encode(errors="replace").decode()
        assert error.code() is grpc.StatusCode.NOT_FOUND
        assert "grpc-status-details-bin" in dict(error.trailing_metadata())
        kept = error.details()
        if kept != sent:
            assert kept.endswith("...TRUNCATED")
            kept = kept.removesuffix("...TRUNCATED")
            assert sent.startswith(kept)
            assert wire_bytes(sent) > MAX_MESSAGE
            assert wire_bytes(kept + sent[len(kept)]) > MAX_MESSAGE - len("...TRUNCATED")

    holds()


def test_an_unknown_method_is_unimplemented_and_named(channel, methods):
    """The sentence names the method that was asked for."""
    error = failure(lambda: channel(methods).unary_unary("/t.T/Nothing")(b"", timeout=10))
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "/t.T/Nothing" in error.details()


def test_a_function_that_raises_fails_its_call_alone(channel, methods, caplog):
    """INTERNAL without a word of the stack; the log has the exception; the next call is answered."""

    def broken(*_):
        raise ZeroDivisionError("secret of the house")

    connected = channel(methods | {"/t.T/Broken": Unary(broken)})
    error = failure(lambda: connected.unary_unary("/t.T/Broken")(b"", timeout=10))
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in error.details()
    assert [record.name for record in caplog.records] == ["carousel.transport"]
    assert "ZeroDivisionError" in caplog.text
    assert connected.unary_unary("/t.T/Echo")(b"well", timeout=10) == b"well"


@pytest.mark.parametrize(
    "metadata", [(("Upper", "v"),), (("text", b"bytes"),), (("k-bin", "text"),), (("k", "naïve"),), (("", "v"),)]
)
def test_metadata_that_cannot_go_out_fails_the_call(channel, metadata, caplog):
    """The core would lose the whole answer with it; older ones let the client wait for ever."""
    served = {"/t.T/No": Unary(lambda call, _: call.fail(Status(Code.NOT_FOUND), metadata))}
    assert failure(lambda: channel(served).unary_unary("/t.T/No")(b"", timeout=10)).code() is grpc.StatusCode.INTERNAL
    assert "ValueError: metadata" in caplog.text


def test_a_second_answer_is_dropped(channel):
    """Whoever answers need not ask whether someone has."""

    def twice(call, message):
        call.reply(message)
        assert call.done
        call.reply(b"again")
        call.fail(Status(Code.INTERNAL))
        call.finish()
        call.send(b"again")

    assert channel({"/t.T/Twice": Unary(twice)}).unary_unary("/t.T/Twice")(b"once", timeout=10) == b"once"


def test_a_request_without_a_message_is_an_invalid_argument(channel, methods):
    """A stream that half-closes at once is no unary request."""
    error = failure(lambda: list(channel(methods).stream_stream("/t.T/Echo")(iter(()), timeout=10)))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "/t.T/Echo" in error.details()


def test_64_mib_both_ways(channel, methods):
    """A message as large as the limit is echoed."""
    message = bytes(range(256)) * (1 << 18)
    assert channel(methods, max_receive_bytes=len(message)).unary_unary("/t.T/Echo")(message, timeout=30) == message


def test_a_message_over_the_limit_is_refused(channel, methods):
    """RESOURCE_EXHAUSTED, and the connection lives on."""
    connected = channel(methods, max_receive_bytes=1000)
    for method in ("/t.T/Echo", "/t.T/Chat"):
        error = failure(lambda method=method: list(connected.stream_stream(method)(iter([b"x" * 1001]), timeout=10)))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert connected.unary_unary("/t.T/Echo")(b"x" * 1000, timeout=10) == b"x" * 1000
