"""What is counted, and its frozen copies; how log lines are written.

`prometheus` is imported by itself: it alone needs Prometheus' client.
"""

from carousel.telemetry.counters import SECONDS, Exemplar, Histogram, ModelCounters, RpcCounters
from carousel.telemetry.instruments import INSTRUMENTS, Instrument
from carousel.telemetry.logs import LogFormat, fields, log_to_stderr
from carousel.telemetry.process import Usage, raise_descriptor_limit, version, versions
from carousel.telemetry.readings import ModelReadings, Readings, SessionReadings

__all__ = [
    "INSTRUMENTS",
    "SECONDS",
    "Exemplar",
    "Histogram",
    "Instrument",
    "LogFormat",
    "ModelCounters",
    "ModelReadings",
    "Readings",
    "RpcCounters",
    "SessionReadings",
    "Usage",
    "fields",
    "log_to_stderr",
    "raise_descriptor_limit",
    "version",
    "versions",
]
