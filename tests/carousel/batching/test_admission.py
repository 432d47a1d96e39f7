"""Refuse before working: by predicted work, at the pace that was measured."""

import math

import pytest

from carousel.batching import Admission
from carousel.errors import Overloaded


class Work:
    """What a server has promised, in seconds, and how fast it gets done."""

    def __init__(self, most=10.0):
        self.left = 0.0
        self.now = 0.0
        self.admission = Admission(most)
        self.admission.count(lambda: self.left)

    def do(self, seconds, speed):
        """Work on what is left, `speed` seconds of predicted work a second."""
        end = self.now + seconds
        while self.now < end:
            began, self.now = self.now, self.now + 0.01
            done = min(self.left, 0.01 * speed)
            self.left -= done
            self.admission.worked(done, began, self.now)


def test_an_idle_server_takes_what_its_deadline_allows_and_refuses_what_it_does_not():
    idle = Work()
    idle.admission.admit(work=0.1, run=0.2, deadline=0.23, now=0.0)
    with pytest.raises(Overloaded, match=r"may take 0\.22 s and its deadline is 0\.21 s away"):
        idle.admission.admit(work=0.1, run=0.2, deadline=0.21, now=0.0)


def test_work_that_is_queued_counts_and_the_refusal_says_when_to_come_back():
    busy = Work()
    busy.left = 1.0
    busy.admission.admit(work=0.1, run=0.1, deadline=1.7, now=0.0)
    with pytest.raises(Overloaded) as refused:
        busy.admission.admit(work=0.1, run=0.1, deadline=0.5, now=0.0)
    assert refused.value.retry_after == pytest.approx(1.5 * 1.0 + 1.1 * 0.1 - 0.5)


def test_without_a_deadline_promised_work_is_bounded():
    full = Work(most=2.0)
    full.left = 1.95
    full.admission.admit(work=0.04, run=0.1, deadline=math.inf, now=0.0)
    full.admission.pace = 0.5
    full.left = 0.99
    with pytest.raises(Overloaded, match="the limit is 2 s") as refused:
        full.admission.admit(work=0.02, run=0.1, deadline=math.inf, now=0.0)
    assert refused.value.retry_after == pytest.approx(0.02)


def test_an_empty_server_takes_a_request_larger_than_the_bound():
    Work(most=1.0).admission.admit(work=5.0, run=5.0, deadline=math.inf, now=0.0)


def test_the_pace_follows_what_gets_done_and_comes_back():
    slow = Work()
    slow.left = 100.0
    slow.do(3.0, speed=0.25)
    assert slow.admission.pace == pytest.approx(0.25, abs=0.02)
    with pytest.raises(Overloaded):
        slow.admission.admit(work=0.1, run=0.1, deadline=slow.now + 200, now=slow.now)
    slow.do(3.0, speed=1.0)
    assert slow.admission.pace == pytest.approx(1.0, abs=0.02)


def test_deadlines_that_pass_slow_the_pace_and_nobody_is_shut_out_for_good():
    late = Work()
    late.left = 1000.0
    for _ in range(200):
        late.admission.expired()
        late.do(0.1, speed=1.0)
    assert late.admission.pace < 0.6
    late.left = 0.0
    late.admission.admit(work=0.1, run=0.1, deadline=late.now + 0.12, now=late.now)
