"""Every metric, in one list: /metrics and docs/metrics.md are both written from it."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from grpc import StatusCode

from carousel.telemetry.counters import Histogram, RpcCounters
from carousel.telemetry.process import versions
from carousel.telemetry.readings import ModelReadings, Readings

WATCHED = frozenset(
    {"OK", "UNKNOWN", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
)
"""Codes that are counted from 0 on of every method: success, and what the rules in deploy/prometheus call a failure."""

Sample = tuple[tuple[str, ...], float | Histogram]
"""The values of a metric's labels, and what was counted under them."""

Reading = Callable[[Readings], Iterator[Sample]]


@dataclass(frozen=True, slots=True)
class Instrument:
    """One metric.

    Attributes:
        name: As Prometheus stores it; a counter's ends in _total.
        text: What it says, in the unit that the name ends in.
        labels: Their values are bounded by what is served and by the code, never by what a client sends.
        read: Every sample of the moment. A counter's series that an alert rule is about are there from the start, at 0,
            because Prometheus' increase() does not see the event that a series begins with.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram", "unknown"]
    text: str
    labels: tuple[str, ...]
    read: Reading


def _server(value: Callable[[Readings], float]) -> Reading:
    return lambda readings: iter([((), value(readings))])


def _loads(readings: Readings) -> Iterator[Sample]:
    for outcome in ("loaded", "rejected", "stuck"):
        yield (outcome,), readings.loads[outcome]


def _rpcs(value: Callable[[RpcCounters], float | Histogram]) -> Reading:
    return lambda readings: (
        (_rpc(method, counters), value(counters)) for method, counters in sorted(readings.rpcs.items())
    )


def _handled(readings: Readings) -> Iterator[Sample]:
    """Read what became of calls; of codes that no rule asks for, those that there were."""
    for method, counters in sorted(readings.rpcs.items()):
        for code in StatusCode:
            if code.name in WATCHED or counters.handled[code.name]:
                yield (*_rpc(method, counters), code.name), counters.handled[code.name]


def _handling(readings: Readings) -> Iterator[Sample]:
    """Read how long calls took; of the many methods, those that were called."""
    for method, counters in sorted(readings.rpcs.items()):
        if any(counters.seconds.counts):
            yield _rpc(method, counters), counters.seconds


def _rpc(method: str, counters: RpcCounters) -> tuple[str, str, str]:
    _, service, name = method.split("/")
    return counters.kind, service, name


def _models(value: Callable[[ModelReadings], float | Histogram | None]) -> Reading:
    """Read one number of each version; None is left out."""
    return lambda readings: ((_version(m), number) for m in readings.models if (number := value(m)) is not None)


def _models_by(counter: Callable[[ModelReadings], Counter[str]], *known: str) -> Reading:
    """Read a counter of each version, key by key; the `known` keys are there from the start."""
    return lambda readings: (
        ((*_version(m), key), counter(m)[key]) for m in readings.models for key in sorted({*known, *counter(m)})
    )


def _engines(readings: Readings) -> Iterator[Sample]:
    return (((*_version(m), m.engine), 1) for m in readings.models)


def _version(m: ModelReadings) -> tuple[str, str]:
    return m.name, str(m.version)


_RPC = ("grpc_type", "grpc_service", "grpc_method")
_MODEL = ("model", "version")

_OF_RPCS = (
    Instrument("grpc_server_started_total", "counter", "RPCs started.", _RPC, _rpcs(lambda t: t.started)),
    Instrument("grpc_server_handled_total", "counter", "RPCs over, by status code.", (*_RPC, "grpc_code"), _handled),
    Instrument(
        "grpc_server_handling_seconds",
        "histogram",
        "Time from accepting an RPC to its status.",
        _RPC,
        _handling,
    ),
)

_OF_THE_SERVER = (
    Instrument(
        "carousel_build_info",
        "gauge",
        "1; the versions that serve.",
        ("version", "python", "grpcio", "onnxruntime"),
        lambda _readings: iter([(versions(), 1)]),
    ),
    Instrument("carousel_serving", "gauge", "1 while requests are welcome, else 0.", (), _server(lambda f: f.serving)),
    Instrument("carousel_open_calls", "gauge", "Calls accepted and not over.", (), _server(lambda f: f.open_calls)),
    Instrument(
        "carousel_pace_ratio",
        "gauge",
        "Predicted work done in a second of wall time, while there was work.",
        (),
        _server(lambda f: f.pace),
    ),
    Instrument("carousel_model_loads_total", "counter", "Attempts to load a model version.", ("outcome",), _loads),
    Instrument(
        "carousel_repository_unreadable",
        "gauge",
        "Folders of the repository that cannot be read; what is served from there stays.",
        (),
        _server(lambda f: f.unreadable),
    ),
    Instrument(
        "carousel_repository_look_age_seconds",
        "gauge",
        "Time since the repository was last looked through.",
        (),
        _server(lambda f: f.look_seconds),
    ),
    Instrument(
        "process_cpu_seconds_total",
        "counter",
        "Processor time that the server's processes took together.",
        (),
        _server(lambda f: f.usage.cpu_seconds),
    ),
    Instrument(
        "process_resident_memory_bytes",
        "gauge",
        "Memory of the server's processes together, shared pages counted for each.",
        (),
        _server(lambda f: f.usage.resident_bytes),
    ),
    Instrument(
        "process_virtual_memory_bytes",
        "gauge",
        "Addresses that the server's processes have taken together.",
        (),
        _server(lambda f: f.usage.virtual_bytes),
    ),
    Instrument(
        "process_open_fds",
        "gauge",
        "Files and connections that the server's processes have open together.",
        (),
        _server(lambda f: f.usage.open_files),
    ),
    Instrument(
        "process_max_fds",
        "gauge",
        "Files and connections that the server's processes may have open together.",
        (),
        _server(lambda f: f.usage.max_open_files),
    ),
)

_OF_VERSIONS = (
    Instrument("carousel_model_info", "gauge", "1 for a version that takes requests.", (*_MODEL, "engine"), _engines),
    Instrument(
        "carousel_engine_fallback",
        "gauge",
        "1 where a preferred engine could not serve the version, else 0.",
        _MODEL,
        _models(lambda m: m.fallback),
    ),
    Instrument(
        "carousel_batch_invariant",
        "gauge",
        "1 where, at load, no answer depended on its batch by a single bit, else 0; absent where it is not promised.",
        _MODEL,
        _models(lambda m: m.batch_invariant),
    ),
)

_OF_WORK = (
    Instrument(
        "carousel_sequences_total",
        "counter",
        "Sequences over: done, or the error's name.",
        (*_MODEL, "outcome"),
        _models_by(lambda m: m.counters.sequences, "done", "Cancelled", "DeadlineExceeded", "EngineFault"),
    ),
    Instrument(
        "carousel_sequences_refused_total",
        "counter",
        "Sequences refused before any work: they would have missed their deadline, or the backlog is at its limit.",
        (*_MODEL, "reason"),
        _models_by(lambda m: m.counters.refused, "deadline", "backlog"),
    ),
    Instrument("carousel_steps_total", "counter", "Timesteps run.", _MODEL, _models(lambda m: m.counters.steps)),
    Instrument(
        "carousel_padded_steps_total",
        "counter",
        "Timesteps run for padding; 0 for ever.",
        _MODEL,
        _models(lambda m: m.counters.padded_steps),
    ),
    Instrument(
        "carousel_predicted_seconds_total",
        "counter",
        "Engine time predicted for the ticks run.",
        _MODEL,
        _models(lambda m: m.counters.predicted_seconds),
    ),
    Instrument(
        "carousel_engine_seconds_total",
        "counter",
        "Engine time that the ticks took.",
        _MODEL,
        _models(lambda m: m.counters.engine_seconds),
    ),
    Instrument(
        "carousel_sequence_wait_seconds",
        "histogram",
        "Time from admission to the first tick.",
        _MODEL,
        _models(lambda m: m.counters.wait),
    ),
    Instrument(
        "carousel_sequence_run_seconds",
        "histogram",
        "Time from the first tick to the end of the last.",
        _MODEL,
        _models(lambda m: m.counters.run),
    ),
    Instrument(
        "carousel_tick_rows",
        "histogram",
        "Rows a tick; the count is that of ticks.",
        _MODEL,
        _models(lambda m: m.counters.rows),
    ),
    Instrument(
        "carousel_tick_steps", "histogram", "Timesteps a tick.", _MODEL, _models(lambda m: m.counters.tick_steps)
    ),
    Instrument("carousel_sequences_running", "gauge", "Sequences in the batch.", _MODEL, _models(lambda m: m.running)),
    Instrument(
        "carousel_sequences_waiting",
        "gauge",
        "Sequences that wait, or are parked.",
        _MODEL,
        _models(lambda m: m.waiting),
    ),
    Instrument(
        "carousel_backlog_seconds",
        "gauge",
        "Predicted engine time of everything admitted and not done.",
        _MODEL,
        _models(lambda m: m.backlog_seconds),
    ),
)

_OF_SESSIONS = (
    Instrument("carousel_sessions_open", "gauge", "Live sequences open.", _MODEL, _models(lambda m: m.sessions.open)),
    Instrument(
        "carousel_sessions_opened_total",
        "counter",
        "Live sequences opened.",
        _MODEL,
        _models(lambda m: m.counters.sessions_opened),
    ),
    Instrument(
        "carousel_sessions_closed_total",
        "counter",
        "Live sequences closed: by the client, by its leaving, by ours, or the error's name.",
        (*_MODEL, "reason"),
        _models_by(
            lambda m: m.counters.sessions_closed, "closed", "half_closed", "client_gone", "going_away", "SessionExpired"
        ),
    ),
    Instrument(
        "carousel_session_oldest_idle_seconds",
        "gauge",
        "Idle time of the live sequence that is idle longest.",
        _MODEL,
        _models(lambda m: m.sessions.oldest_idle_seconds),
    ),
    Instrument(
        "carousel_session_state_bytes",
        "gauge",
        "Size of the states held for live sequences.",
        _MODEL,
        _models(lambda m: m.sessions.state_bytes),
    ),
)

INSTRUMENTS = (*_OF_RPCS, *_OF_THE_SERVER, *_OF_VERSIONS, *_OF_WORK, *_OF_SESSIONS)
