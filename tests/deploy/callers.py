"""Clients that ask all through a disturbance, and remember what became of everything that they asked."""

import threading

import numpy as np

from carousel.client import Client, LiveSequence
from carousel.errors import CarouselError

CLIENTS, SEQUENCES = 2, 16  # of live sequences: so many clients, so many each


class Callers:
    """Threads, each with a client and chance of its own, that ask until `end`."""

    def __init__(self, target: str, threads: int) -> None:
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(target, seed)) for seed in range(threads)]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self, target: str, seed: int) -> None:
        with Client(target) as client:
            self._ask(client, np.random.default_rng(seed))

    def _ask(self, client: Client, random: np.random.Generator) -> None:
        raise NotImplementedError


class Unary(Callers):
    """Ask one request after the other, and count how they end."""

    def __init__(self, target: str) -> None:
        self.answered, self.failures = 0, []
        super().__init__(target, threads=4)

    def _ask(self, client: Client, random: np.random.Generator) -> None:
        while not self._over.wait(0.005):
            try:
                client.predict("lstm", [_steps(random, 40)], timeout=30)
                self.answered += 1
            except CarouselError as error:
                self.failures.append(f"{type(error).__name__}: {error}")


class Live(Callers):
    """Feed live sequences, and do not wait for an answer before the next message."""

    def __init__(self, target: str) -> None:
        self.sequences: list[Fed] = []
        super().__init__(target, threads=CLIENTS)

    def _ask(self, client: Client, random: np.random.Generator) -> None:
        with client.fleet(snapshot_every=8, timeout=30) as fleet:
            sequences = [Fed(fleet.open("lstm")) for _ in range(SEQUENCES)]
            self.sequences += sequences
            while not self._over.wait(0.02):
                for sequence in sequences:
                    sequence.feed(_steps(random, 4))
            for sequence in sequences:
                sequence.wait()


class Fed:
    """One live sequence: the messages that it was fed, and their answers."""

    def __init__(self, sequence: LiveSequence) -> None:
        self._sequence = sequence
        self._answers = []
        self.messages: list[np.ndarray] = []
        self.order: list[int] = []
        """The numbers of the messages, as their answers came."""

    def feed(self, steps: np.ndarray) -> None:
        number = len(self.messages)
        self.messages.append(steps)
        self._answers.append(self._sequence.send(steps))
        self._answers[number].add_done_callback(lambda _: self.order.append(number))

    def wait(self) -> None:
        for answer in self._answers:
            answer.exception(60)

    def outputs(self) -> np.ndarray:
        """Stack all the answers; raises the error that came instead of one."""
        return np.stack([answer.result(0).output for answer in self._answers])

    @property
    def moved(self) -> bool:
        """Whether it opened again after every sequence of its client had opened once: its name on the wire tells."""
        return int(self._sequence._session.name.split("~")[1]) > SEQUENCES


def _steps(random: np.random.Generator, most: int) -> np.ndarray:
    return random.standard_normal((int(random.integers(1, most)), 8), np.float32)
