"""What becomes of live sequences when servers go, as a table of messages sent and received: no socket, no clock."""

from concurrent.futures import Future

import numpy as np
import pytest

from carousel.client.journal import Journal
from carousel.client.reconnect import Reconnect, Session
from carousel.errors import Cancelled, EngineFault, InvalidRequest, ModelNotFound, Unreachable
from carousel.stubs.v1 import inference_pb2 as pb
from carousel.wire import write_tensor


def tensor(number):
    written = pb.Tensor()
    write_tensor(np.array([[number]], np.float32), written)
    return written


class Server:
    """A stream to a server whose model is a running sum, and which answers when it is told to."""

    def __init__(self):
        self.written = []
        self.finished = False
        self._answered = 0
        self._sums = {}

    def write(self, request):
        self.written.append(pb.StreamRequest.FromString(request.SerializeToString()))

    def finish(self):
        self.finished = True

    def answer(self):
        """Answer the next message."""
        request = self.written[self._answered]
        self._answered += 1
        if request.HasField("open"):
            state = request.open.initial_state
            self._sums[request.key] = np.frombuffer(state, np.float32).copy() if state else np.zeros(1, np.float32)
        sum_ = self._sums[request.key]
        sum_ += np.frombuffer(request.input.content, np.float32)
        response = pb.StreamResponse(key=request.key, version=7 if request.HasField("open") else 0)
        write_tensor(sum_, response.prediction.output)
        if request.return_state:
            response.prediction.state = sum_.tobytes()
        return response

    def goodbye(self, key):
        response = pb.StreamResponse(key=key, closed=True)
        response.going_away.state = self._sums[key].tobytes()
        return response


class World:
    """A search, the streams it opened, and the tries that are due."""

    def __init__(self, timeout=10.0):
        self.now = 0.0
        self.servers = []
        self.due = []
        self.reconnect = Reconnect(
            self._connect, lambda _, function: self.due.append(function), timeout, lambda: self.now
        )

    def _connect(self):
        self.servers.append(Server())
        return self.servers[-1]

    def feed(self, session, number):
        answer = Future()
        self.reconnect.feed(session, pb.StreamRequest(input=tensor(number)), answer, return_state=False)
        return answer

    def answer(self, server, times=1):
        for _ in range(times):
            self.reconnect.received(server, server.answer())

    def refuse(self, server, name, reason):
        response = pb.StreamResponse(key=name, closed=True)
        response.failure.code, response.failure.message, response.failure.reason = 5, "input: no", reason
        self.reconnect.received(server, response)

    def turn(self):
        due, self.due = self.due, []
        for function in due:
            function()


def sequence(snapshot_every=64):
    return Session("pump", Journal(pb.Open(model="sum"), snapshot_every))


def outputs(answers):
    return [answer.result(0).output[0] for answer in answers]


@pytest.mark.parametrize("snapshot_every", [1, 2, 3, 64])
@pytest.mark.parametrize("before", range(6))
def test_after_a_crash_the_caller_has_every_answer_once(before, snapshot_every):
    """Whatever was answered before the crash and wherever the last snapshot was."""
    world, pump = World(), sequence(snapshot_every)
    answers = [world.feed(pump, n) for n in (1, 2, 3, 4, 5)]
    [first] = world.servers
    world.answer(first, before)
    given = [answer.done() for answer in answers]
    assert given == [i < before for i in range(5)]
    world.reconnect.lost(first, Unreachable("gone"))
    answers.append(world.feed(pump, 6))
    world.turn()
    second = world.servers[-1]
    world.answer(second, len(second.written))
    assert outputs(answers) == [1, 3, 6, 10, 15, 21]
    assert len(second.written) == 6 - before // snapshot_every * snapshot_every


@pytest.mark.parametrize("before", range(1, 6))
def test_going_away_replays_only_what_was_not_answered(before):
    """The server's last snapshot stands for all it answered, and the version it began on is asked for."""
    world, pump = World(), sequence()
    answers = [world.feed(pump, n) for n in (1, 2, 3, 4, 5)]
    [first] = world.servers
    world.answer(first, before)
    world.reconnect.received(first, first.goodbye(pump.name))
    assert first.finished
    answers.append(world.feed(pump, 6))
    world.turn()
    second = world.servers[-1]
    assert (len(second.written), second.written[0].open.version) == (6 - before, 7)
    world.answer(second, len(second.written))
    assert outputs(answers) == [1, 3, 6, 10, 15, 21]


def test_the_last_words_on_an_earlier_stay_are_nobodys_answer():
    """A server may still speak of a sequence that has left it, on a stream that others ride on."""
    world, pump, valve = World(), sequence(), sequence()
    answers = [world.feed(pump, 1), world.feed(valve, 1), world.feed(pump, 2)]
    [first] = world.servers
    world.answer(first, 2)
    name = pump.name
    world.reconnect.received(first, first.goodbye(name))
    world.turn()
    world.refuse(first, name, "InvalidRequest")
    world.answer(world.servers[-1])
    answers.append(world.feed(valve, 2))
    assert first.written[-1].key == valve.name
    first._answered = 3
    world.answer(first)
    assert outputs(answers) == [1, 1, 3, 3]


def test_an_idle_sequence_seeks_no_server_until_it_is_fed():
    """Thousands of idle ones do not come back as a crowd."""
    world, pump = World(), sequence()
    first = world.feed(pump, 1)
    world.answer(world.servers[0])
    world.reconnect.lost(world.servers[0], None)
    assert (len(world.servers), world.due) == (1, [])
    second = world.feed(pump, 2)
    world.answer(world.servers[1], 2)
    assert outputs([first, second]) == [1, 3]


def test_a_version_that_one_server_lacks_is_sought_at_others_until_the_timeout():
    """Only a sequence that has begun; then the refusal itself is raised."""
    world, pump = World(), sequence()
    world.feed(pump, 1)
    world.answer(world.servers[0])
    answer = world.feed(pump, 2)
    world.reconnect.lost(world.servers[0], Unreachable("gone"))
    for now in (0.0, 5.0):
        world.now = now
        world.turn()
        world.refuse(world.servers[-1], pump.name, "ModelNotFound")
    assert len(world.servers) == 3
    world.now = 10.5
    world.turn()
    with pytest.raises(ModelNotFound):
        answer.result(0)
    fresh = sequence()
    answer = world.feed(fresh, 1)
    world.refuse(world.servers[-1], fresh.name, "ModelNotFound")
    with pytest.raises(ModelNotFound):
        answer.result(0)


def test_no_server_within_the_timeout_is_unreachable_and_the_last_word_is_told():
    """The caller hears what was tried."""
    world, pump = World(timeout=3), sequence()
    answer = world.feed(pump, 1)
    for now in (0.0, 1.0, 4.0):
        world.now = now
        world.reconnect.lost(world.servers[-1], Unreachable("connection refused"))
        world.turn()
    with pytest.raises(Unreachable, match="within 3 s; the last word was: connection refused"):
        answer.result(0)


@pytest.mark.parametrize(("reason", "kind"), [("InvalidRequest", InvalidRequest), ("EngineFault", EngineFault)])
def test_a_failure_ends_its_own_sequence_and_everything_it_waits_for(reason, kind):
    """Every message sent gets exactly one answer."""
    world, pump, valve = World(), sequence(), sequence()
    answers = [world.feed(pump, 1), world.feed(pump, 2)]
    other = world.feed(valve, 1)
    [server] = world.servers
    world.refuse(server, pump.name, reason)
    for answer in answers:
        with pytest.raises(kind):
            answer.result(0)
    server._answered = 2
    world.answer(server)
    assert outputs([other]) == [1]


def test_closing_ends_all():
    """Streams are half-closed, and who waits is told."""
    world, pump = World(), sequence()
    answer = world.feed(pump, 1)
    world.reconnect.close()
    assert world.servers[0].finished
    with pytest.raises(Cancelled):
        answer.result(0)
    with pytest.raises(Cancelled):
        world.feed(sequence(), 1)
