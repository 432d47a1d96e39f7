"""What is counted, in Prometheus' words. The only room that knows Prometheus; the list itself is `instruments`."""

import time
from collections.abc import Callable, Iterator
from typing import Any
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, Exemplar, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from carousel.telemetry.counters import Histogram
from carousel.telemetry.instruments import INSTRUMENTS, Instrument
from carousel.telemetry.readings import Readings

_KINDS: dict[str, Any] = {
    "counter": CounterMetricFamily,
    "gauge": GaugeMetricFamily,
    "histogram": HistogramMetricFamily,
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

    def __init__(self, readings: Callable[[], Readings]) -> None:
        self._readings = readings

    def collect(self) -> Iterator[Metric]:
        readings = self._readings()
        for instrument in INSTRUMENTS:
            yield _family(instrument, readings)
            time.sleep(_PAUSE)


def registry(readings: Callable[[], Readings]) -> CollectorRegistry:
    """Give everything that /metrics shows; `readings` is called for each scrape."""
    collectors = CollectorRegistry()
    for standard in (_Process, PlatformCollector, GCCollector):
        standard(registry=collectors)
    collectors.register(_Readings(readings))
    return collectors


def serve_metrics(readings: Callable[[], Readings], host: str, port: int) -> tuple[WSGIServer, int]:
    """Serve /metrics on a thread of its own; `readings` is called for each scrape.

    Returns:
        The server, whose `shutdown` ends it, and the port it listens on.

    Raises:
        OSError: The address cannot be bound.
    """
    try:
        server, _ = start_http_server(port, host, registry(readings))
    except OSError as error:
        raise OSError(f"cannot listen on {host}:{port} for /metrics: {error.strerror or error}") from None
    return server, server.server_port


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
