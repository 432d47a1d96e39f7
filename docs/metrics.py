"""The metrics page, docs/metrics.md, from the list of instruments."""

from pathlib import Path

from carousel.telemetry import INSTRUMENTS

PAGE = Path(__file__).with_suffix(".md")

_HEAD = """\
# Metrics
Written by `docs/metrics.py` from `service/carousel/telemetry/instruments.py`; do not edit.

`carousel serve` answers `GET /metrics` on `http_port` (8501). Times are in seconds, sizes in bytes. Label values are
bounded by what is served and by the code; nothing that a client sends becomes one. `model` and `version` are the
folders of the repository. Beside these come prometheus_client's own `process_*` and `python_*`, of the process that
answers. In OpenMetrics format, which Prometheus asks for, the time, the wait and the run carry exemplars: of each
bucket the newest request whose client sent the W3C `traceparent` of a recorded trace, as `trace_id`.

| metric | kind | labels | what it says |
|---|---|---|---|
"""


def written() -> dict[Path, str]:
    """Write the page."""
    rows = [
        f"| `{i.name}` | {i.kind} | {', '.join(f'`{label}`' for label in i.labels)} | {i.text} |" for i in INSTRUMENTS
    ]
    return {PAGE: _HEAD + "\n".join(rows) + "\n"}
