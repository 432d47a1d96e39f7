"""Weights of CuDNNLSTM and CuDNNGRU, as LSTM and GRU hold them.

The order is that of cuDNN's own weight buffer, as Keras 2.1 to 2.3 kept it: each gate's kernel is transposed, and an
LSTM has two biases that are added.
"""

from collections.abc import Callable
from typing import Any

import h5py
import numpy as np

from carousel.tensors import Floats

_GATES = {"CuDNNLSTM": 4, "CuDNNGRU": 3}


def cudnn_layers(config: Any) -> dict[str, str]:
    """Find the layers of a model's config that only a GPU runs: CuDNNLSTM or CuDNNGRU, by the layer's name."""
    if isinstance(config, list):
        return {name: kind for part in config for name, kind in cudnn_layers(part).items()}
    if not isinstance(config, dict):
        return {}
    found = cudnn_layers(list(config.values()))
    if config.get("class_name") in _GATES:
        found[config["config"]["name"]] = config["class_name"]
    return found


def convert_cudnn(weights: Any, layers: dict[str, str]) -> None:
    """Convert the weights of an .h5 file in place.

    Args:
        weights: The h5py group that holds a group for each layer.
        layers: CuDNNLSTM or CuDNNGRU, by each such layer's name.
    """
    found: list[tuple[str, str]] = []

    def visit(path: str, entry: Any) -> None:
        if isinstance(entry, h5py.Dataset):
            names = [name.removeprefix("forward_").removeprefix("backward_") for name in path.split("/")]
            found.extend((path, layers[name]) for name in names[-2:-1] if name in layers)

    weights.visititems(visit)
    for path, kind in found:
        group, _, name = path.rpartition("/")
        converted = _converted(name.split(":")[0], np.asarray(weights[path]), kind)
        del weights[path]
        weights[group][name] = converted


def _converted(name: str, weight: Floats, kind: str) -> Floats:
    if name == "kernel":
        return _by_gate(weight, kind, lambda gate: gate.T.reshape(gate.shape, order="F"))
    if name == "recurrent_kernel":
        return _by_gate(weight, kind, np.transpose)
    halves = weight.reshape(2, -1)
    return halves.sum(axis=0) if kind == "CuDNNLSTM" else halves


def _by_gate(weight: Floats, kind: str, change: Callable[[Floats], Floats]) -> Floats:
    return np.hstack([change(gate) for gate in np.hsplit(weight, _GATES[kind])])
