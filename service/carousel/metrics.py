"""What is counted, in Prometheus' words. The only room that knows Prometheus."""

from collections.abc import Callable, Iterator
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from carousel.figures import Figures, ModelFigures
from carousel.tallies import Histogram

_MODEL = ("model", "version")


class _Figures(Collector):
    """Writes the figures of the moment each time Prometheus asks."""

    def __init__(self, figures: Callable[[], Figures]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        figures = self._figures()
        yield from _rpcs(figures)
        yield from _server(figures)
        yield from _models(figures.models)


def serve_metrics(figures: Callable[[], Figures], host: str, port: int) -> tuple[WSGIServer, int]:
    """Serve /metrics on a thread of its own; `figures` is called for each scrape.

    Returns:
        The server, whose `shutdown` ends it, and the port it listens on.

    Raises:
        OSError: The address cannot be bound.
    """
    registry = CollectorRegistry()
    for standard in (ProcessCollector, PlatformCollector, GCCollector):
        standard(registry=registry)
    registry.register(_Figures(figures))
    server, _ = start_http_server(port, host, registry)
    return server, server.server_port


def _rpcs(figures: Figures) -> Iterator[Metric]:
    labels = ("grpc_type", "grpc_service", "grpc_method")
    started = CounterMetricFamily("grpc_server_started", "RPCs started on the server.", labels=labels)
    handled = CounterMetricFamily(
        "grpc_server_handled", "RPCs completed on the server, by status code.", labels=(*labels, "grpc_code")
    )
    seconds = HistogramMetricFamily(
        "grpc_server_handling_seconds", "Time from accepting an RPC to its status.", labels=labels
    )
    for method, tally in sorted(figures.rpcs.items()):
        _, service, name = method.split("/")
        names = (tally.kind, service, name)
        started.add_metric(names, tally.started)
        for code, count in sorted(tally.handled.items()):
            handled.add_metric((*names, code), count)
        _add(seconds, names, tally.seconds)
    yield from (started, handled, seconds)


def _server(figures: Figures) -> Iterator[Metric]:
    yield GaugeMetricFamily("carousel_serving", "Whether requests are welcome (1) or not (0).", figures.serving)
    yield GaugeMetricFamily("carousel_open_calls", "Calls accepted and not yet over.", figures.open_calls)
    yield GaugeMetricFamily(
        "carousel_pace_ratio", "Predicted work done in a second of wall time while there was work.", figures.pace
    )
    loads = CounterMetricFamily("carousel_model_loads", "Attempts to load a model version.", labels=("outcome",))
    for outcome in ("loaded", "rejected"):
        loads.add_metric((outcome,), figures.loads[outcome])
    yield loads


def _models(models: tuple[ModelFigures, ...]) -> Iterator[Metric]:
    yield from _engines(models)
    yield from _work(models)
    yield from _sessions(models)


def _engines(models: tuple[ModelFigures, ...]) -> Iterator[Metric]:
    serving = GaugeMetricFamily(
        "carousel_model_info", "A version that takes requests, and its engine.", labels=(*_MODEL, "engine")
    )
    fallback = GaugeMetricFamily(
        "carousel_engine_fallback", "Whether TensorFlow serves because the plan could not be used.", labels=_MODEL
    )
    equal = GaugeMetricFamily(
        "carousel_bits_equal", "Whether answers were independent of the batch, bit for bit, at load.", labels=_MODEL
    )
    for m in models:
        serving.add_metric((*_names(m), m.engine), 1)
        fallback.add_metric(_names(m), m.fallback)
        if m.bits_equal is not None:
            equal.add_metric(_names(m), m.bits_equal)
    yield from (serving, fallback, equal)


def _work(models: tuple[ModelFigures, ...]) -> Iterator[Metric]:
    sequences = CounterMetricFamily(
        "carousel_sequences", "Sequences that ended: done, or the error's name.", labels=(*_MODEL, "outcome")
    )
    refused = CounterMetricFamily(
        "carousel_sequences_refused", "Sequences refused before any work, by reason.", labels=(*_MODEL, "reason")
    )
    for m in models:
        for outcome, count in sorted(m.tally.sequences.items()):
            sequences.add_metric((*_names(m), outcome), count)
        for reason, count in sorted(m.tally.refused.items()):
            refused.add_metric((*_names(m), reason), count)
    yield from (sequences, refused)
    counters: tuple[tuple[str, str, Callable[[ModelFigures], float]], ...] = (
        ("carousel_steps", "Timesteps run.", lambda m: m.tally.steps),
        ("carousel_padded_steps", "Timesteps run for padding; always 0.", lambda m: m.tally.padded_steps),
        ("carousel_predicted_seconds", "Engine time predicted.", lambda m: m.tally.predicted_seconds),
        ("carousel_engine_seconds", "Engine time passed.", lambda m: m.tally.engine_seconds),
    )
    for name, text, value in counters:
        counter = CounterMetricFamily(name, text, labels=_MODEL)
        for m in models:
            counter.add_metric(_names(m), value(m))
        yield counter
    histograms: tuple[tuple[str, str, Callable[[ModelFigures], Histogram]], ...] = (
        ("carousel_sequence_wait_seconds", "Time from admission to stepping on.", lambda m: m.tally.wait),
        ("carousel_sequence_ride_seconds", "Time from stepping on to stepping off.", lambda m: m.tally.ride),
        ("carousel_tick_rows", "Rows a tick; the count is the number of ticks.", lambda m: m.tally.rows),
        ("carousel_tick_steps", "Timesteps a tick.", lambda m: m.tally.tick_steps),
    )
    for name, text, histogram in histograms:
        family = HistogramMetricFamily(name, text, labels=_MODEL)
        for m in models:
            _add(family, _names(m), histogram(m))
        yield family
    yield from _gauges(
        models,
        ("carousel_sequences_riding", "Sequences on board.", lambda m: m.riding),
        ("carousel_sequences_waiting", "Sequences that wait to step on.", lambda m: m.waiting),
        ("carousel_backlog_seconds", "Predicted work of everything admitted.", lambda m: m.backlog_seconds),
    )


def _sessions(models: tuple[ModelFigures, ...]) -> Iterator[Metric]:
    yield from _gauges(
        models,
        ("carousel_sessions_open", "Live sequences open.", lambda m: m.sessions),
        ("carousel_session_oldest_idle_seconds", "Idle time of the longest idle one.", lambda m: m.oldest_idle_seconds),
        ("carousel_session_state_bytes", "State held for live sequences.", lambda m: m.state_bytes),
    )
    opened = CounterMetricFamily("carousel_sessions_opened", "Live sequences opened.", labels=_MODEL)
    closed = CounterMetricFamily("carousel_sessions_closed", "Live sequences closed.", labels=(*_MODEL, "reason"))
    for m in models:
        opened.add_metric(_names(m), m.tally.sessions_opened)
        for reason, count in sorted(m.tally.sessions_closed.items()):
            closed.add_metric((*_names(m), reason), count)
    yield from (opened, closed)


def _gauges(
    models: tuple[ModelFigures, ...], *gauges: tuple[str, str, Callable[[ModelFigures], float]]
) -> Iterator[Metric]:
    for name, text, value in gauges:
        gauge = GaugeMetricFamily(name, text, labels=_MODEL)
        for m in models:
            gauge.add_metric(_names(m), value(m))
        yield gauge


def _names(m: ModelFigures) -> tuple[str, str]:
    return m.name, str(m.version)


def _add(family: HistogramMetricFamily, names: tuple[str, ...], histogram: Histogram) -> None:
    buckets, below = [], 0
    for bound, count in zip([*map(_bound, histogram.bounds), "+Inf"], histogram.counts, strict=True):
        below += count
        buckets.append((bound, below))
    family.add_metric(names, buckets, histogram.total)


def _bound(value: float) -> str:
    return str(float(value))
