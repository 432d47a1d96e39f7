"""The loop: posts and timers in order, turns shared fairly, and one bad errand ends nobody's ride."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from carousel.loop import Loop


class Quiet:
    """A transport on which nothing arrives; it keeps how long the loop was ready to wait."""

    def __init__(self):
        self.waits = []
        self.woken = 0

    def poll(self, timeout):
        self.waits.append(timeout)
        return False

    def wake(self):
        self.woken += 1

    def settle(self):
        pass


class Turner:
    """Turns as often as it has work; each turn costs it so much."""

    def __init__(self, cost, work):
        self.cost, self.work = cost, work
        self.spent, self.turns = 0.0, 0

    @property
    def busy(self):
        return self.work > 0

    def turn(self):
        self.turns += 1
        self.work -= 1
        self.spent += self.cost


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def loop(clock):
    def made(*turners):
        here = Loop(Quiet(), clock)
        for turner in turners:
            here.begin(turner)
        return here

    return made


def test_posts_run_in_order_and_wake_the_loop(loop):
    here, seen = loop(), []
    for i in range(3):
        here.post(lambda i=i: seen.append(i))
    assert here._server.woken == 3
    here.round()
    assert seen == [0, 1, 2]


def test_what_a_post_posts_runs_in_the_next_round(loop):
    here, seen = loop(), []
    here.post(lambda: here.post(lambda: seen.append(1)))
    here.round()
    assert seen == []
    here.round()
    assert seen == [1]


def test_timers_run_when_they_are_due_in_order_unless_cancelled(loop, clock):
    here, seen = loop(), []
    for seconds in (3, 1, 2):
        here.after(seconds, lambda seconds=seconds: seen.append(seconds))
    here.after(1.5, lambda: seen.append("cancelled")).cancel()
    here.round()
    assert (seen, here._server.waits) == ([], [1])
    clock.now = 2.5
    here.round()
    assert seen == [1, 2]
    clock.now = 3
    here.round()
    assert seen == [1, 2, 3]


@pytest.mark.parametrize("errand", [lambda here, bad: here.post(bad), lambda here, bad: here.after(0, bad)])
def test_an_errand_that_raises_ends_nothing(loop, errand, caplog):
    turner, seen = Turner(1, 5), []
    here = loop(turner)
    errand(here, lambda: 1 / 0)
    here.post(lambda: seen.append(1))
    here.round()
    assert (seen, turner.turns) == ([1], 1)
    assert "ZeroDivisionError" in caplog.text


def test_who_asks_is_told_what_was_raised_and_the_loop_goes_on(loop):
    here = loop()
    asker = ThreadPoolExecutor(1)
    try:
        asked = asker.submit(here.ask, lambda: 1 // 0, 10)
        while not here._posts:
            assert not asked.done()
        here.round()
        with pytest.raises(ZeroDivisionError):
            asked.result(10)
    finally:
        asker.shutdown()
    seen = []
    here.post(lambda: seen.append(1))
    here.round()
    assert seen == [1]


def test_two_busy_models_share_the_loop_by_work_not_by_turns(loop):
    cheap, dear = Turner(1, 1000), Turner(4, 1000)
    here = loop(cheap, dear)
    for _ in range(500):
        here.round()
    assert abs(cheap.spent - dear.spent) <= 4
    assert cheap.turns == pytest.approx(400, abs=2)


def test_who_was_idle_does_not_save_up_turns(loop):
    always, later = Turner(1, 1000), Turner(1, 0)
    here = loop(always, later)
    for _ in range(100):
        here.round()
    later.work = 100
    here.begin(later)
    for _ in range(20):
        here.round()
    assert later.turns == pytest.approx(10, abs=1)


def test_who_is_idle_is_not_looked_at(loop):
    """A hundred idle models cost a round nothing."""

    class Counted(Turner):
        looks = 0

        @property
        def busy(self):
            Counted.looks += 1
            return False

    here = loop(Counted(1, 0), *(Turner(1, 10) for _ in range(2)))
    for _ in range(20):
        here.round()
    assert Counted.looks == 1


def test_nobody_waits_while_somebody_is_busy(loop):
    here = loop(Turner(1, 1))
    here.round()
    here.round()
    assert here._server.waits == [0.0, float("inf")]


def test_stop_ends_the_loop_after_its_round(loop):
    here = loop()
    here.post(here.stop)
    here.run()


def test_a_flood_of_calls_does_not_keep_those_on_board_from_riding(clock):
    """However many events there are, each round gives its turn."""

    class Flood(Quiet):
        def poll(self, _timeout):
            clock.now += 40e-6
            return True

    rider = Turner(1, 3)
    here = Loop(Flood(), clock)
    here.begin(rider)
    for _ in range(3):
        here.round()
    assert rider.turns == 3
