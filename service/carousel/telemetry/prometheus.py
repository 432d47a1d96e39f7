"""What is counted, in Prometheus' words. The only room that knows Prometheus.

The way of a count: code that acts adds to a field of `counters`; `readings` are frozen copies of those fields, taken by
the loop for each scrape; `instruments` lists every metric, its text and the reading it shows; here they are written.
A new metric is a field in `counters` and an entry in `instruments`.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    Exemplar,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    UnknownMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from carousel.telemetry.aliases import ALIASES
from carousel.telemetry.counters import Histogram
from carousel.telemetry.instruments import INSTRUMENTS, Instrument
from carousel.telemetry.readings import Readings

_KINDS: dict[str, Any] = {
    "counter": CounterMetricFamily,
    "gauge": GaugeMetricFamily,
    "histogram": HistogramMetricFamily,
    "unknown": UnknownMetricFamily,
}


_PAUSE = 0.001
"""Seconds between two metrics: writing them all at once would keep the interpreter from the loop for several ticks."""

_OURS = {i.name.removesuffix("_total") for i in INSTRUMENTS}


class _Process(ProcessCollector):
    """Says of the process that answers what is not counted for all workers together."""

    def collect(self) -> Iterator[Metric]:
        return (family for family in super().collect() if family.name not in _OURS)


class _Readings(Collector):
    """Writes the readings of the moment each time Prometheus asks."""

    def __init__(self, readings: Callable[[], Readings], instruments: Sequence[Instrument]) -> None:
        self._readings = readings
        self._instruments = instruments

    def collect(self) -> Iterator[Metric]:
        readings = self._readings()
        for instrument in self._instruments:
            yield _family(instrument, readings)
            time.sleep(_PAUSE)


def registry(readings: Callable[[], Readings], *, aliases: bool = False) -> CollectorRegistry:
    """Give everything that /metrics shows; `readings` is called for each scrape.

    With `aliases` some of it is there by TensorFlow Serving's names too.
    """
    collectors = CollectorRegistry()
    for standard in (_Process, PlatformCollector, GCCollector):
        standard(registry=collectors)
    collectors.register(_Readings(readings, (*INSTRUMENTS, *(ALIASES if aliases else ()))))
    return collectors


def exposition(readings: Callable[[], Readings], *, aliases: bool = False) -> Callable[[str], tuple[bytes, str]]:
    """Make what writes every metric: it takes an Accept header, and gives the text and its content type.

    It blocks while it collects; `readings` is called each time. See `registry`.
    """
    collectors = registry(readings, aliases=aliases)

    def write(accept: str) -> tuple[bytes, str]:
        encode, kind = choose_encoder(accept)
        return encode(collectors), kind

    return write


def _family(instrument: Instrument, readings: Readings) -> Any:
    family = _KINDS[instrument.kind](instrument.name, instrument.text, labels=instrument.labels)
    for values, counted in instrument.read(readings):
        if isinstance(counted, Histogram):
            family.add_metric(values, _cumulative(counted), counted.total)
        else:
            family.add_metric(values, counted)
    return family


def _cumulative(histogram: Histogram) -> list[tuple[str, int, Exemplar | None]]:
    buckets, below = [], 0
    bounds = [*map(str, map(float, histogram.bounds)), "+Inf"]
    for i, (bound, count) in enumerate(zip(bounds, histogram.counts, strict=True)):
        below += count
        traced = histogram.exemplars.get(i)
        exemplar = traced and Exemplar({"trace_id": traced.trace}, traced.value, traced.at)
        buckets.append((bound, below, exemplar))
    return buckets
