"""Streams: order, ends, and flow control in both directions."""

import asyncio
import threading

import grpc
import pytest

from carousel.transport import Code, Status, Streaming

MESSAGE = b"x" * 65536


def test_messages_come_back_in_order_and_the_half_close_ends_the_stream(channel, methods):
    """The status follows the last message."""
    sent = [b"%d" % i * (i % 50) for i in range(500)]
    call = channel(methods).stream_stream("/t.T/Chat")(iter(sent), timeout=20)
    assert list(call) == sent
    assert call.code() is grpc.StatusCode.OK


def test_a_thousand_streams_share_one_connection(polled, methods):
    """All are open at once, and each gets its own answers."""

    async def talk(address):
        async with grpc.aio.insecure_channel(address) as channel:
            chats = [channel.stream_stream("/t.T/Chat")(timeout=40) for _ in range(1000)]
            for turn in range(2):
                await asyncio.gather(*(chat.write(b"%d %d" % (turn, i)) for i, chat in enumerate(chats)))
                heard = await asyncio.gather(*(chat.read() for chat in chats))
                assert heard == [b"%d %d" % (turn, i) for i in range(1000)]
            open_calls = running.on_loop(lambda: running.server.open_calls)
            await asyncio.gather(*(chat.done_writing() for chat in chats))
            assert {await chat.code() for chat in chats} == {grpc.StatusCode.OK}
            return open_calls

    running = polled(methods)
    assert asyncio.run(talk(running.address)) == 1000


def test_a_burst_of_calls_waits_while_the_loop_is_busy(polled, methods):
    """Calls that come by the thousand during one long turn are all served; the core's own bound would refuse some."""
    running = polled(methods)
    busy, go_on = threading.Event(), threading.Event()
    running.posted.append(lambda: (busy.set(), go_on.wait(10)))
    assert busy.wait(10)
    with grpc.insecure_channel(running.address) as channel:
        echo = channel.unary_unary("/t.T/Echo")
        calls = [echo.future(b"%d" % i, timeout=20) for i in range(2500)]
        go_on.set()
        assert [call.result() for call in calls] == [b"%d" % i for i in range(2500)]


def test_reply_ends_a_stream_with_one_message(channel):
    """A client-streaming call is received like any stream and answered like a unary call."""

    def collect(call):
        heard = []

        def then(message):
            if message is None:
                call.reply(b" ".join(heard))
            else:
                heard.append(message)
                call.receive(then)

        call.receive(then)

    stub = channel({"/t.T/Join": Streaming(collect)}).stream_unary("/t.T/Join")
    assert stub(iter([b"a", b"b"]), timeout=10) == b"a b"


@pytest.mark.parametrize("end", ["finish", "fail", "reply"])
def test_what_was_sent_before_the_end_arrives_before_it(channel, end):
    """A hundred messages are queued and the stream ended in one breath; `reply` adds its own message."""

    def burst(call):
        for i in range(100):
            call.send(b"%d" % i)
        {
            "finish": call.finish,
            "fail": lambda: call.fail(Status(Code.ABORTED, "after")),
            "reply": lambda: call.reply(b"100"),
        }[end]()
        assert call.done

    call = channel({"/t.T/Burst": Streaming(burst)}).stream_stream("/t.T/Burst")(iter(()), timeout=10)
    heard, code = [], grpc.StatusCode.OK
    try:
        while True:
            heard.append(next(call))
    except StopIteration:
        pass
    except grpc.RpcError as error:
        code = error.code()
    assert heard == [b"%d" % i for i in range(101 if end == "reply" else 100)]
    assert code is (grpc.StatusCode.ABORTED if end == "fail" else grpc.StatusCode.OK)


def test_a_stream_that_only_ends_is_whole(channel):
    """Finish without a message, and empty messages, are both allowed."""
    served = {
        "/t.T/End": Streaming(lambda call: call.finish()),
        "/t.T/Empty": Streaming(lambda call: (call.send(b""), call.send(b""), call.finish())),
    }
    connected = channel(served)
    assert list(connected.stream_stream("/t.T/End")(iter(()), timeout=10)) == []
    assert list(connected.stream_stream("/t.T/Empty")(iter(()), timeout=10)) == [b"", b""]


def test_a_slow_reader_keeps_what_is_unsent_bounded(channel):
    """A service that sends while `unsent` is small, and goes on in `on_sent`, holds little for a client that lags."""
    most, sent, stalled = 4 * len(MESSAGE), [], threading.Event()
    seen = []

    def pour(call):
        def more():
            while len(sent) < 400 and call.unsent + len(MESSAGE) <= most:
                sent.append(None)
                call.send(MESSAGE)
                seen.append(call.unsent)
            if len(sent) == 400:
                call.finish()

        call.on_sent = more
        more()
        stalled.set()

    call = channel({"/t.T/Pour": Streaming(pour)}).stream_stream("/t.T/Pour")(iter(()), timeout=30)
    assert stalled.wait(10)
    assert len(sent) < 400
    assert sum(len(message) for message in call) == 400 * len(MESSAGE)
    assert max(seen) <= most


def test_not_receiving_holds_the_client_back(polled):
    """Only what fits the windows is written until the service asks for more; then everything arrives."""
    resume, pulled, lengths, full = [], [], [], threading.Event()

    def sip(call):
        def then(message):
            if message is None:
                call.reply(b"%d" % sum(lengths))
                return
            lengths.append(len(message))
            if len(lengths) == 2:
                resume.append(lambda: call.receive(then))
                full.set()
            else:
                call.receive(then)

        call.receive(then)

    def requests():
        for _ in range(1000):
            pulled.append(None)
            yield MESSAGE

    running = polled({"/t.T/Sip": Streaming(sip)})
    with grpc.insecure_channel(running.address) as channel:
        answer = channel.stream_unary("/t.T/Sip").future(requests(), timeout=30)
        assert full.wait(10)
        assert len(pulled) < 1000
        assert len(lengths) == 2
        running.on_loop(resume[0])
        assert answer.result() == b"%d" % (1000 * len(MESSAGE))


def test_two_receives_at_once_are_refused_by_name(channel, caplog):
    """The core would refuse the second without a word."""

    def greedy(call):
        call.receive(lambda _: None)
        call.receive(lambda _: None)

    call = channel({"/t.T/Greedy": Streaming(greedy)}).stream_stream("/t.T/Greedy")(iter(()), timeout=10)
    with pytest.raises(grpc.RpcError):
        list(call)
    assert call.code() is grpc.StatusCode.INTERNAL
    assert "receive was called while an earlier one waits" in caplog.text
