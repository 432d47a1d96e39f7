"""A model version as the page shows it: what it takes and gives, and what it counted."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from carousel.artifact import TensorSpec
from carousel.oip import DATATYPES
from carousel.serving import Model, faces
from carousel.telemetry import ModelReadings


def described(model: Model, labels: Mapping[str, int]) -> dict[str, Any]:
    """Describe a version, whose model has these labels. On the loop's thread."""
    version = model.version
    signature = version.signature
    return {
        "name": version.name,
        "version": version.number,
        "labels": sorted(label for label, number in labels.items() if number == version.number),
        "engine": version.engine.name,
        "not_preferred_because": version.not_preferred_because,
        "batch_invariant": version.batch_invariant,
        "stepwise": bool(version.states),
        "inputs": [_tensor(spec) for spec in signature.takes.specs],
        "served_inputs": [_tensor(spec) for spec in signature.served_inputs],
        "outputs": [_tensor(spec) for spec in signature.gives.specs],
        "states": [{"name": state.name, "units": state.units} for state in version.states],
        "signatures": list(faces(version)),
        "timesteps": signature.timesteps,
        "min_timesteps": signature.min_timesteps,
        "features": list(signature.features),
        "vocabulary": signature.vocabulary,
    }


def counted(readings: ModelReadings) -> dict[str, Any]:
    """Write what a version counted since it was loaded, and what it holds now. Times are in seconds."""
    counters = readings.counters
    return {
        "requests": counters.requests,
        "failed": counters.requests_failed,
        "refused": counters.refused.total(),
        "timesteps": counters.steps,
        "ticks": counters.ticks.total(),
        "rows": sum(rows * ticks for rows, ticks in counters.ticks.items()),
        "waited": sum(counters.wait.counts),
        "wait_seconds": counters.wait.total,
        "running": readings.running,
        "waiting": readings.waiting,
        "sessions": readings.sessions.open,
    }


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "dtype": spec.dtype,
        "datatype": DATATYPES.get(np.dtype(spec.dtype), ""),
        "shape": list(spec.shape),
    }
