"""Every metric, in one list: /metrics and docs/metrics.md are both written from it."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from grpc import StatusCode

from carousel.telemetry.counters import Histogram, RpcTally
from carousel.telemetry.process import versions
from carousel.telemetry.readings import Figures, ModelFigures

Sample = tuple[tuple[str, ...], float | Histogram]
"""The values of a metric's labels, and what was counted under them."""

Reading = Callable[[Figures], Iterator[Sample]]


@dataclass(frozen=True, slots=True)
class Instrument:
    """One metric.

    Attributes:
        name: As Prometheus stores it; a counter's ends in _total.
        text: What it says, in the unit that the name ends in.
        labels: Their values are bounded by what is served and by the code, never by what a client sends.
        read: Every sample of the moment. A counter's known series are there from the start, at 0, because Prometheus'
            increase() does not see the event that a series begins with.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    text: str
    labels: tuple[str, ...]
    read: Reading


def _server(value: Callable[[Figures], float]) -> Reading:
    return lambda figures: iter([((), value(figures))])


def _loads(figures: Figures) -> Iterator[Sample]:
    for outcome in ("loaded", "rejected"):
        yield (outcome,), figures.loads[outcome]


def _rpcs(value: Callable[[RpcTally], float | Histogram]) -> Reading:
    return lambda figures: ((_rpc(method, tally), value(tally)) for method, tally in sorted(figures.rpcs.items()))


def _handled(figures: Figures) -> Iterator[Sample]:
    for method, tally in sorted(figures.rpcs.items()):
        for code in StatusCode:
            yield (*_rpc(method, tally), code.name), tally.handled[code.name]


def _rpc(method: str, tally: RpcTally) -> tuple[str, str, str]:
    _, service, name = method.split("/")
    return tally.kind, service, name


def _models(value: Callable[[ModelFigures], float | Histogram | None]) -> Reading:
    """Read one number of each version; None is left out."""
    return lambda figures: ((_version(m), number) for m in figures.models if (number := value(m)) is not None)


def _models_by(counter: Callable[[ModelFigures], Counter[str]], *known: str) -> Reading:
    """Read a counter of each version, key by key; the `known` keys are there from the start."""
    return lambda figures: (
        ((*_version(m), key), counter(m)[key]) for m in figures.models for key in sorted({*known, *counter(m)})
    )


def _engines(figures: Figures) -> Iterator[Sample]:
    return (((*_version(m), m.engine), 1) for m in figures.models)


def _version(m: ModelFigures) -> tuple[str, str]:
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
        _rpcs(lambda t: t.seconds),
    ),
)

_OF_THE_SERVER = (
    Instrument(
        "carousel_build_info",
        "gauge",
        "1; the versions that serve.",
        ("version", "python", "grpcio", "onnxruntime"),
        lambda _figures: iter([(versions(), 1)]),
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
)

_OF_VERSIONS = (
    Instrument("carousel_model_info", "gauge", "1 for a version that takes requests.", (*_MODEL, "engine"), _engines),
    Instrument(
        "carousel_engine_fallback",
        "gauge",
        "1 where TensorFlow serves because the plan could not be used, else 0.",
        _MODEL,
        _models(lambda m: m.fallback),
    ),
    Instrument(
        "carousel_answers_exact",
        "gauge",
        "1 where, at load, no answer depended on its batch by a single bit, else 0; absent where it is not promised.",
        _MODEL,
        _models(lambda m: m.bits_equal),
    ),
)

_OF_WORK = (
    Instrument(
        "carousel_sequences_total",
        "counter",
        "Sequences over: done, or the error's name.",
        (*_MODEL, "outcome"),
        _models_by(lambda m: m.tally.sequences, "done", "Cancelled", "DeadlineExceeded", "EngineFault"),
    ),
    Instrument(
        "carousel_sequences_refused_total",
        "counter",
        "Sequences refused before any work: they would have missed their deadline, or the backlog is at its limit.",
        (*_MODEL, "reason"),
        _models_by(lambda m: m.tally.refused, "deadline", "backlog"),
    ),
    Instrument("carousel_steps_total", "counter", "Timesteps run.", _MODEL, _models(lambda m: m.tally.steps)),
    Instrument(
        "carousel_padded_steps_total",
        "counter",
        "Timesteps run for padding; 0 for ever.",
        _MODEL,
        _models(lambda m: m.tally.padded_steps),
    ),
    Instrument(
        "carousel_predicted_seconds_total",
        "counter",
        "Engine time predicted for the ticks run.",
        _MODEL,
        _models(lambda m: m.tally.predicted_seconds),
    ),
    Instrument(
        "carousel_engine_seconds_total",
        "counter",
        "Engine time that the ticks took.",
        _MODEL,
        _models(lambda m: m.tally.engine_seconds),
    ),
    Instrument(
        "carousel_sequence_wait_seconds",
        "histogram",
        "Time from admission to stepping on.",
        _MODEL,
        _models(lambda m: m.tally.wait),
    ),
    Instrument(
        "carousel_sequence_ride_seconds",
        "histogram",
        "Time from stepping on to stepping off.",
        _MODEL,
        _models(lambda m: m.tally.ride),
    ),
    Instrument(
        "carousel_tick_rows",
        "histogram",
        "Rows a tick; the count is that of ticks.",
        _MODEL,
        _models(lambda m: m.tally.rows),
    ),
    Instrument("carousel_tick_steps", "histogram", "Timesteps a tick.", _MODEL, _models(lambda m: m.tally.tick_steps)),
    Instrument("carousel_sequences_riding", "gauge", "Sequences on board.", _MODEL, _models(lambda m: m.riding)),
    Instrument(
        "carousel_sequences_waiting", "gauge", "Sequences that wait to step on.", _MODEL, _models(lambda m: m.waiting)
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
    Instrument("carousel_sessions_open", "gauge", "Live sequences open.", _MODEL, _models(lambda m: m.sessions)),
    Instrument(
        "carousel_sessions_opened_total",
        "counter",
        "Live sequences opened.",
        _MODEL,
        _models(lambda m: m.tally.sessions_opened),
    ),
    Instrument(
        "carousel_sessions_closed_total",
        "counter",
        "Live sequences closed: by the client, by its leaving, by ours, or the error's name.",
        (*_MODEL, "reason"),
        _models_by(
            lambda m: m.tally.sessions_closed, "closed", "half_closed", "client_gone", "going_away", "SessionExpired"
        ),
    ),
    Instrument(
        "carousel_session_oldest_idle_seconds",
        "gauge",
        "Idle time of the live sequence that is idle longest.",
        _MODEL,
        _models(lambda m: m.oldest_idle_seconds),
    ),
    Instrument(
        "carousel_session_state_bytes",
        "gauge",
        "Size of the states held for live sequences.",
        _MODEL,
        _models(lambda m: m.state_bytes),
    ),
)

INSTRUMENTS = (*_OF_RPCS, *_OF_THE_SERVER, *_OF_VERSIONS, *_OF_WORK, *_OF_SESSIONS)
