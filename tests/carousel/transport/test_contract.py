"""Every call this room makes into grpcio's C core, one test each: a grpcio that changes one fails by its name."""

import threading
import time

import grpc
import pytest
from grpc._cython import cygrpc


@pytest.fixture
def core():
    """Start a bare server of the C core: its queue, itself and its port. Shut it down in the core's own order."""
    queue = cygrpc.CompletionQueue()
    server = cygrpc.Server((("grpc.so_reuseport", 0),), False)
    server.register_completion_queue(queue)
    port = server.add_http2_port(b"127.0.0.1:0")
    server.start()
    yield queue, server, port
    server.shutdown(queue, "down")
    server.cancel_all_calls()
    while event_of(queue).tag != "down":
        pass
    server.destroy()
    queue.shutdown()
    while queue.poll().completion_type == cygrpc.CompletionType.operation_complete:
        pass


def event_of(queue):
    """Return the queue's next event, within ten seconds."""
    event = queue.poll(deadline=time.time() + 10)
    assert event.completion_type == cygrpc.CompletionType.operation_complete
    return event


@pytest.fixture
def called(core):
    """One accepted stream: its event, the queue, and the stock client's call."""
    queue, server, port = core
    release = threading.Event()

    def requests():
        yield b"one"
        release.wait(10)

    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        server.request_call(queue, queue, "accepted")
        client = channel.stream_stream("/a.B/C")(requests(), timeout=60, metadata=(("k", "v"), ("k-bin", b"\0")))
        event = event_of(queue)
        yield event, queue, client
        client.cancel()
        release.set()


def test_poll_without_waiting_returns_when_nothing_came(core):
    """`poll(deadline=0)` on an empty queue returns at once, with another completion type than an operation's."""
    queue, _, _ = core
    assert queue.poll(deadline=0).completion_type == cygrpc.CompletionType.queue_timeout
    assert cygrpc.CompletionType.queue_timeout != cygrpc.CompletionType.operation_complete


def test_request_call_delivers_an_accepted_call(called):
    """The event carries the tag, success, the call, its method and deadline, and the client's metadata."""
    event, _, _ = called
    assert (event.tag, event.success) == ("accepted", True)
    assert event.call_details.method == b"/a.B/C"
    assert 50 < event.call_details.deadline - time.time() < 61
    metadata = [tuple(pair) for pair in event.invocation_metadata]
    assert ("k", "v") in metadata
    assert ("k-bin", b"\0") in metadata


def test_peer_and_auth_context_of_a_call(called):
    """`peer()` gives bytes; `auth_context` a dict of lists."""
    event, _, _ = called
    assert event.call.peer().startswith(b"ipv4")
    assert isinstance(cygrpc.auth_context(event.call), dict)


def test_receive_message_operation(called):
    """A received message is in the event's operations, in their order."""
    event, queue, _ = called
    event.call.start_server_batch((cygrpc.ReceiveMessageOperation(0),), "received")
    received = event_of(queue)
    assert (received.tag, received.success) == ("received", True)
    assert received.batch_operations[0].message() == b"one"


def test_receiving_after_the_half_close_gives_nothing_again(core):
    """The second asking ends at once too: that is how `Call.receive` tells a half-close from a cancellation."""
    queue, server, port = core
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        server.request_call(queue, queue, "accepted")
        client = channel.stream_stream("/a.B/C")(iter(()), timeout=60)
        call = event_of(queue).call
        for _ in range(2):
            call.start_server_batch((cygrpc.ReceiveMessageOperation(0),), "received")
            received = event_of(queue)
            assert (received.success, received.batch_operations[0].message()) == (True, None)
        client.cancel()


def test_an_answer_in_one_batch(called):
    """Initial metadata, message, status and the close make one batch, which gives one event."""
    event, queue, client = called
    operations = (
        cygrpc.SendInitialMetadataOperation(None, 0),
        cygrpc.SendMessageOperation(b"answer", 0),
        cygrpc.SendStatusFromServerOperation((("t", "v"),), 5, "said", 0),
        cygrpc.ReceiveCloseOnServerOperation(0),
    )
    assert event.call.start_server_batch(operations, "answered") == cygrpc.CallError.ok
    assert next(client) == b"answer"
    assert (client.code(), client.details()) == (grpc.StatusCode.NOT_FOUND, "said")
    assert ("t", "v") in [tuple(pair) for pair in client.trailing_metadata()]
    assert event_of(queue).tag == "answered"


def test_receive_close_tells_of_a_cancellation(called):
    """The close operation ends when the client cancels, and says so."""
    event, queue, client = called
    event.call.start_server_batch((cygrpc.ReceiveCloseOnServerOperation(0),), "closed")
    client.cancel()
    closed = event_of(queue)
    assert closed.tag == "closed"
    assert closed.batch_operations[0].cancelled()


def test_an_empty_batch_is_an_event_from_any_thread_even_on_a_call_that_is_over(called):
    """An empty batch wakes whoever polls: that is all of `Server.wake`."""
    event, queue, client = called
    event.call.start_server_batch((cygrpc.ReceiveCloseOnServerOperation(0),), "closed")
    client.cancel()
    assert event_of(queue).tag == "closed"
    waker = threading.Thread(target=event.call.start_server_batch, args=((), "woken"))
    waker.start()
    woken = event_of(queue)
    waker.join()
    assert (woken.tag, woken.success) == ("woken", True)


def test_a_port_that_is_taken_is_port_zero(core):
    """`add_http2_port` does not raise: it returns 0."""
    _, _, port = core
    second = cygrpc.Server((("grpc.so_reuseport", 0),), False)
    assert second.add_http2_port(b"127.0.0.1:%d" % port) == 0


def test_shutdown_fails_the_pending_request_and_then_tells_its_own_tag():
    """The order that `Server.close` stands on."""
    queue = cygrpc.CompletionQueue()
    server = cygrpc.Server((), False)
    server.register_completion_queue(queue)
    server.add_http2_port(b"127.0.0.1:0")
    server.start()
    server.request_call(queue, queue, "accepted")
    server.shutdown(queue, "down")
    server.cancel_all_calls()
    events = [event_of(queue), event_of(queue)]
    assert {(event.tag, event.success) for event in events} == {("accepted", False), ("down", True)}
    server.destroy()
    queue.shutdown()
    assert queue.poll().completion_type == cygrpc.CompletionType.queue_shutdown


def test_names_and_numbers_the_room_takes_from_the_core():
    """Compression algorithms, the credentials' box and the receive limit keep their names."""
    assert (cygrpc.CompressionAlgorithm.none, cygrpc.CompressionAlgorithm.deflate) == (0, 1)
    assert cygrpc.CompressionAlgorithm.gzip == 2
    assert isinstance(grpc.ssl_server_credentials([(b"k", b"c")])._credentials, cygrpc.ServerCredentials)
