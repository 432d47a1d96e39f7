"""The metrics page, docs/metrics.md, from the list of instruments."""

from collections.abc import Sequence
from pathlib import Path

from carousel.telemetry import ALIASES, INSTRUMENTS, Instrument

PAGE = Path(__file__).with_suffix(".md")

_HEAD = """\
# Metrics
Written by `docs/metrics.py` from `service/carousel/telemetry/instruments.py`; do not edit.

`carousel serve` answers `GET /metrics` on `http_port` (8501). Times are in seconds, sizes in bytes. Label values are
bounded by what is served and by the code; nothing that a client sends becomes one. `model` and `version` are the
folders of the repository. Beside these come prometheus_client's own `process_*` and `python_*`, of the process that
answers. Codes and methods of rpcs that no alert rule asks for take no line until there was one.
In OpenMetrics format, which Prometheus asks for, the time, the wait and the run carry exemplars: of each
bucket the newest request whose client sent the W3C `traceparent` of a recorded trace, as `trace_id`.

| metric | kind | labels | what it says |
|---|---|---|---|
"""


_ALIASES = """
## TensorFlow Serving's names
With `tensorflow_serving_metrics` these are there too, so that its dashboards go on. Times are in microseconds, models
are named without their versions, and `entrypoint` is `any`: a model's requests are not told apart by the way they came.

| metric | kind | labels | what it says |
|---|---|---|---|
"""


def _rows(instruments: Sequence[Instrument]) -> list[str]:
    return [
        f"| `{i.name}` | {i.kind} | {', '.join(f'`{label}`' for label in i.labels)} | {i.text} |" for i in instruments
    ]


def written() -> dict[Path, str]:
    """Write the page."""
    rows = _rows(INSTRUMENTS)
    return {PAGE: _HEAD + "\n".join(rows) + "\n" + _ALIASES + "\n".join(_rows(ALIASES)) + "\n"}
