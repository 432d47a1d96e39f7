"""What is measured: a workload, and how it is asked for."""

from typing import NamedTuple

_TITLES = {
    "A": "Short sequences, [5, 64] -> LSTM 128 -> LSTM 256, last step",
    "B": "Long sequences, [100, 300] -> LSTM 128, every step",
    "C": "Lengths of 3 to 500 timesteps (lognormal), 64 -> LSTM 128 -> LSTM 256, last step",
    "live": "Live sequences, one timestep a call by sequence_id, 64 -> LSTM 128 -> LSTM 256",
}


class Shape(NamedTuple):
    """One measurement.

    Attributes:
        workload: Its name.
        connections: How many there are.
        streams: Calls in flight on each, the next one when one is answered. For calls that come at random, 0.
        share: How much of what the server itself reached with 64 in flight, its calls a second, is asked of it at
            random: Poisson arrivals, latency counted from when a call was to be sent. 0 for calls that wait.
    """

    workload: str
    connections: int
    streams: int
    share: float = 0.0

    @property
    def key(self) -> str:
        """A short name: A 8x8, A 80%."""
        how = f"{self.share:.0%}" if self.share else f"{self.connections}x{self.streams}"
        return f"{self.workload} {how}"

    @property
    def judged(self) -> dict[str, tuple[str, int]]:
        """What servers are compared by, in words: the field of their figures, and 1 where more is better, else -1.

        By nothing where each was asked at a rate of its own.
        """
        if self.share:
            return {}
        compared = {"calls a second": ("rate", 1), "processor time a call": ("cpu", -1)}
        if self.in_flight == 1:
            return compared | {"p50": ("p50", -1)}
        return compared | ({"p99": ("p99", -1)} if self.workload == "C" else {})

    @property
    def full(self) -> "Shape":
        """The measurement by which `share` goes."""
        return Shape(self.workload, 8, 8)

    @property
    def in_flight(self) -> int:
        """Calls that wait for answers at any time."""
        return self.connections * self.streams

    @property
    def title(self) -> str:
        """A name for people."""
        return f"{_TITLES[self.workload]}: {self._how}"

    @property
    def _how(self) -> str:
        if self.share:
            own = f"{self.share:.0%} of what the server itself reached on 8 connections"
            return f"at random, {own}, timed from when they were to be sent"
        if self.in_flight == 1:
            return "one in flight"
        where = "one connection" if self.connections == 1 else f"each of {self.connections} connections"
        return f"{self.streams} in flight on {where}"


SHAPES = (
    *(Shape("A", 1, 1), Shape("A", 1, 64), Shape("A", 8, 8)),
    *(Shape("B", 1, 64), Shape("B", 8, 8)),
    *(Shape("C", 1, 64), Shape("C", 8, 8)),
    *(Shape("live", 1, 64), Shape("live", 8, 8)),
    *(Shape(name, 8, 0, share) for name in ("A", "C") for share in (0.5, 0.8, 0.95)),
)
