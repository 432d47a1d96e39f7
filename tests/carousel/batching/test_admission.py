"""Refuse before working: by predicted work, in fair shares, at the pace that was measured."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carousel.batching import Admission
from carousel.errors import Overloaded


class Work:
    """A model's promised work, in seconds, of some clients, and how fast it gets done."""

    def __init__(self, most=10.0, admission=None):
        self.clients = {}
        self.now = 0.0
        self.waiting = 1
        self.admission = admission or Admission(most)
        self.admission.count(self)

    @property
    def backlog(self):
        return sum(self.clients.values())

    @property
    def left(self):
        return self.clients.get("", 0.0)

    @left.setter
    def left(self, seconds):
        self.clients[""] = seconds

    def fair(self, client, work):
        """As the scheduler says it: what is done here by the time that `work` more of a client is."""
        asked = self.clients.get(client, 0.0) + work
        return asked + sum(min(left, asked) for name, left in self.clients.items() if name != client)

    def admit(self, work, run, deadline, client=""):
        self.admission.admit(self, self.fair(client, work), work, run, deadline, self.now)

    def takes(self, client, work):
        """Whether a request without a deadline is let in; it is promised then."""
        try:
            self.admit(work, work, math.inf, client)
        except Overloaded:
            return False
        self.clients[client] = self.clients.get(client, 0.0) + work
        return True

    def do(self, seconds, speed, late=0.0):
        """Work on what is left, `speed` seconds of predicted work a second; so much of it is late."""
        end = self.now + seconds
        ended = 0
        while self.now < end:
            began, self.now = self.now, self.now + 0.01
            done = min(self.left, 0.01 * speed)
            self.left -= done
            self.admission.worked(done, began, self.now)
            ended += 1
            self.admission.ended(late=ended * late % 1 + late >= 1)


def test_an_idle_server_takes_what_its_deadline_allows_and_refuses_what_it_does_not():
    idle = Work()
    idle.admit(work=0.1, run=0.2, deadline=0.23)
    with pytest.raises(Overloaded, match=r"may take 0\.22 s and its deadline is 0\.21 s away"):
        idle.admit(work=0.1, run=0.2, deadline=0.21)


def test_work_that_is_queued_counts_and_the_refusal_says_when_to_come_back():
    busy = Work()
    busy.left = 1.0
    busy.admit(work=0.1, run=0.1, deadline=1.7)
    with pytest.raises(Overloaded) as refused:
        busy.admit(work=0.1, run=0.1, deadline=0.5)
    assert refused.value.retry_after == pytest.approx(1.5 * 1.0 + 1.1 * 0.1 - 0.5)


def test_without_a_deadline_promised_work_is_bounded():
    full = Work(most=2.0)
    full.left = 1.95
    full.admit(work=0.04, run=0.1, deadline=math.inf)
    full.admission.pace = 0.5
    full.left = 0.99
    with pytest.raises(Overloaded, match=r"the limit is 2 s \(max_backlog_seconds\)") as refused:
        full.admit(work=0.02, run=0.1, deadline=math.inf)
    assert refused.value.retry_after == pytest.approx(0.02)


def test_an_empty_server_takes_a_request_larger_than_the_bound():
    Work(most=1.0).admit(work=5.0, run=5.0, deadline=math.inf)


promises = st.lists(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 4000)), min_size=1, max_size=4)


@given(promises, st.sampled_from("abcdefg"), st.integers(1, 3000))
def test_where_there_is_room_for_all_nobody_is_refused(promised, client, milliseconds):
    """Work-conserving: a share that others leave unused is anybody's."""
    admission, models, work = Admission(10.0), [], milliseconds / 1000
    for clients in promised:
        models.append(Work(admission=admission))
        models[-1].clients = {name: left / 1000 for name, left in clients.items()}
    if admission.backlog + work <= 10.0 - 1e-9:
        assert models[0].takes(client, work)


@given(promises, st.sampled_from("abcdefg"), st.integers(1, 3000))
def test_a_client_below_its_share_is_never_refused(promised, client, milliseconds):
    """Whatever the others were promised: its share is the bound among the active models, and then the clients."""
    admission, models, work = Admission(10.0), [], milliseconds / 1000
    for clients in promised:
        models.append(Work(admission=admission))
        models[-1].clients = {name: 100.0 * left for name, left in clients.items()}
    own = models[0].clients
    own[client] = 0.0
    share = 10.0 / sum(model is models[0] or model.backlog > 0 for model in models)
    share /= sum(name == client or left > 0 for name, left in own.items())
    if work <= share - 1e-9:
        assert models[0].takes(client, work)


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from("abcd"), st.integers(1, 500)), max_size=300))
def test_what_is_promised_in_all_stays_bounded(asked):
    """Each newcomer may find the bound used up, and gets its share beside it: a harmonic sum of such shares."""
    admission = Admission(1.0)
    models = [Work(admission=admission) for _ in range(3)]
    for model, client, milliseconds in asked:
        models[model].takes(client, milliseconds / 1000)
    everyone = sum(len(model.clients) for model in models)
    assert admission.backlog <= sum(1.0 / n for n in range(1, everyone + 2)) + 0.5


def test_two_floods_share_the_bound_alike_and_so_do_two_clients_of_one_model():
    admission = Admission(12.0)
    models = [Work(admission=admission) for _ in range(2)]
    floods = [(models[0], "a", 0.0025), (models[0], "b", 0.0025), (models[1], "a", 0.005)]
    for _ in range(3000):
        for model, client, served in floods:
            model.takes(client, 0.01)
            model.clients[client] = max(0.0, model.clients[client] - served)
    assert [model.clients[client] for model, client, _ in floods] == pytest.approx([3.0, 3.0, 6.0], abs=0.1)


def test_an_engine_with_a_thread_of_its_own_takes_nothing_from_the_loop():
    loop = Work(most=1.0)
    Work(admission=loop.admission.apart()).left = 1.0
    assert loop.takes("", 0.9)


def test_the_pace_follows_what_gets_done_and_comes_back():
    slow = Work()
    slow.left = 100.0
    slow.do(3.0, speed=0.25)
    assert slow.admission.pace == pytest.approx(0.25, abs=0.02)
    with pytest.raises(Overloaded):
        slow.admit(work=0.1, run=0.1, deadline=slow.now + 200)
    slow.do(3.0, speed=1.0)
    assert slow.admission.pace == pytest.approx(1.0, abs=0.02)


@given(st.lists(st.tuples(st.floats(1e-5, 0.02), st.floats(1.0, 50.0), st.floats(0.0, 1.0)), max_size=300))
def test_light_load_never_slows_the_pace(turns):
    """Where nobody waits for a row, a tick of one short sequence is mostly Python's, and says nothing of a full one."""
    light = Work()
    light.waiting = 0
    for work, slower, idle in turns:
        began = light.now + idle
        light.now = began + work * slower
        light.left = work  # the same sequence goes on
        light.admission.worked(work, began, light.now)
    assert light.admission.pace == 1.0


def test_time_after_those_who_waited_were_cancelled_is_no_time_of_work():
    light = Work()
    light.left = 1.0
    light.do(0.05, speed=1.0)
    light.waiting = 0
    light.admission.discount(light)
    light.admission.count(light)
    light.admission.worked(0.001, began=100.0, now=100.001)
    light.waiting = 1
    light.now = 100.001
    light.left = 10.0
    light.do(0.3, speed=1.0)
    assert light.admission.pace == pytest.approx(1.0, abs=0.01)


def test_a_slow_hour_is_forgotten_when_nobody_waits_any_more():
    slow = Work()
    slow.left = 1000.0
    slow.do(5.0, speed=0.1)
    assert slow.admission.pace < 0.12
    slow.waiting = 0
    slow.do(0.01, speed=0.1)
    slow.admission.relax(slow.now + 5.0)
    assert slow.admission.pace == pytest.approx(0.55, abs=0.02)
    slow.admission.relax(slow.now + 60.0)
    assert slow.admission.pace > 0.99


@pytest.mark.parametrize(("late", "least", "most"), [(0.01, 0.98, 1.0), (1.0, 0.2, 0.6)])
def test_deadlines_that_pass_slow_the_pace_by_as_many_as_they_are(late, least, most):
    """One client with a deadline that cannot be met slows nobody else."""
    work = Work()
    work.left = 1000.0
    work.do(20.0, speed=1.0, late=late)
    assert least < work.admission.pace <= most
    work.left = 0.0
    work.admit(work=0.1, run=0.1, deadline=work.now + 0.12)
