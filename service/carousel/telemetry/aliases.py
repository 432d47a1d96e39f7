"""TensorFlow Serving's names for what is counted here too, so that its dashboards go on. Times are in microseconds.

It names models without their versions, and does not say which way a request came: `entrypoint` is "any".
"""

from collections.abc import Callable, Iterator

from carousel.telemetry.counters import Histogram
from carousel.telemetry.instruments import Instrument, Sample
from carousel.telemetry.readings import ModelReadings, Readings

_API = "predict"
_SCALE = 1e6  # microseconds in a second


def _requests(readings: Readings) -> Iterator[Sample]:
    names = sorted({m.name for m in readings.models})
    for name in names:
        counters = [m.counters for m in readings.models if m.name == name]
        yield (name, "OK"), sum(each.requests for each in counters)
        yield (name, "FAILED"), sum(each.requests_failed for each in counters)


def _latencies(
    value: Callable[[ModelReadings], Histogram], *last: Callable[[ModelReadings], str]
) -> Callable[[Readings], Iterator[Sample]]:
    def read(readings: Readings) -> Iterator[Sample]:
        found: dict[tuple[str, ...], Histogram] = {}
        for m in readings.models:
            labels = (m.name, _API, *(label(m) for label in last))
            found[labels] = found[labels] + value(m) if labels in found else value(m)
        for labels, histogram in sorted(found.items()):
            scaled = Histogram(tuple(bound * _SCALE for bound in histogram.bounds))
            scaled.counts, scaled.total = histogram.counts, histogram.total * _SCALE
            yield labels, scaled

    return read


def _loads(readings: Readings) -> Iterator[Sample]:
    yield ("success",), readings.loads["loaded"]
    yield ("fail",), readings.loads["rejected"]


ALIASES = (
    # They are counters there, without the ending that a counter has to have: so nothing is said of their kind.
    Instrument(
        ":tensorflow:serving:request_count",
        "unknown",
        "Requests over, by whether they were answered.",
        ("model_name", "status"),
        _requests,
    ),
    Instrument(
        ":tensorflow:serving:request_latency",
        "histogram",
        "Time from admitting a request to its answer.",
        ("model_name", "API", "entrypoint"),
        _latencies(lambda m: m.counters.seconds, lambda _: "any"),
    ),
    Instrument(
        ":tensorflow:serving:runtime_latency",
        "histogram",
        "Time from a sequence's first tick to the end of its last.",
        ("model_name", "API", "runtime"),
        _latencies(lambda m: m.counters.run, lambda m: m.engine),
    ),
    Instrument(
        ":tensorflow:cc:saved_model:load_attempt_count",
        "unknown",
        "Attempts to load a model version.",
        ("status",),
        _loads,
    ),
)
