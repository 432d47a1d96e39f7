"""What is counted, and its frozen copies; how log lines are written.

`prometheus` is imported by itself: it alone needs Prometheus' client.
"""

from carousel.telemetry.aliases import ALIASES
from carousel.telemetry.counters import SECONDS, Exemplar, Histogram, ModelCounters, RpcCounters
from carousel.telemetry.instruments import INSTRUMENTS, Instrument
from carousel.telemetry.logs import LogFormat, fields, log_to_stderr
from carousel.telemetry.process import Usage, raise_descriptor_limit, version, versions
from carousel.telemetry.readings import ModelReadings, Readings, SessionReadings
from carousel.telemetry.request_log import Ended, RequestLog

__all__ = [
    "ALIASES",
    "INSTRUMENTS",
    "SECONDS",
    "Ended",
    "Exemplar",
    "Histogram",
    "Instrument",
    "LogFormat",
    "ModelCounters",
    "ModelReadings",
    "Readings",
    "RequestLog",
    "RpcCounters",
    "SessionReadings",
    "Usage",
    "fields",
    "log_to_stderr",
    "raise_descriptor_limit",
    "version",
    "versions",
]
