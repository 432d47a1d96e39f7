"""What is counted, and its frozen copies. `prometheus` is imported by itself: it alone needs Prometheus' client."""

from carousel.telemetry.counters import Exemplar, Histogram, ModelCounters, RpcCounters
from carousel.telemetry.instruments import INSTRUMENTS, Instrument
from carousel.telemetry.process import Usage, version, versions
from carousel.telemetry.readings import ModelReadings, Readings

__all__ = [
    "INSTRUMENTS",
    "Exemplar",
    "Histogram",
    "Instrument",
    "ModelCounters",
    "ModelReadings",
    "Readings",
    "RpcCounters",
    "Usage",
    "version",
    "versions",
]
