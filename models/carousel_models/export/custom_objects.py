"""Layers and functions that are the user's own: found in the modules they name, asked for where they are missing."""

import importlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras

from carousel_models.refusals import ExportRefused


def import_custom_objects(modules: Sequence[str]) -> dict[str, Any]:
    """Import Python modules, also from the current folder, and give the layers, models and functions that they define.

    Args:
        modules: Their names, as `import` takes them.

    Returns:
        What they define that can be called, by name.

    Raises:
        ExportRefused: A module cannot be imported.
    """
    found: dict[str, Any] = {}
    if modules and os.getcwd() not in sys.path:  # noqa: PTH109 - sys.path holds text
        sys.path.insert(0, os.getcwd())  # noqa: PTH109
    for name in modules:
        try:
            module = importlib.import_module(name)
        except Exception as error:  # the module's own code runs, and raises what it likes
            raise ExportRefused(f"--import {name}: {type(error).__name__}: {error}") from error
        own = {key: value for key, value in vars(module).items() if callable(value)}
        found |= {key: value for key, value in own.items() if getattr(value, "__module__", None) == module.__name__}
    return found


def refuse_missing_code(config: Any, custom: Mapping[str, Any], *, unsafe_lambda: bool) -> None:
    """Refuse a config of Keras 3 that names code which is not here, or holds code that must not be run.

    Raises:
        ExportRefused: Names the layer, and the flag.
    """
    for entry in _entries(config):
        kind, module = entry["class_name"], entry.get("module") or ""
        inner = entry.get("config")
        name = inner.get("name") if isinstance(inner, dict) else None
        if kind == "__lambda__" and not unsafe_lambda:
            raise ExportRefused(
                "the model has a Lambda layer, whose code lies in the file: if you trust the file, export with "
                "--unsafe-lambda, which runs that code on this machine"
            )
        full = entry.get("registered_name") or kind
        if kind == "function":
            kind = full = str(inner)
        elif module.split(".")[0] in {"keras", ""} or kind.startswith("__"):
            continue
        if (
            keras.saving.get_registered_object(full) is None
            and kind not in custom
            and not hasattr(keras.activations, kind)
        ):
            where = f"layer {name!r} is a {kind}" if name else f"it uses {kind!r}"
            raise ExportRefused(
                f"{where}, which is not Keras' own: name the Python module that defines it with --import MODULE, or "
                "custom_objects in Python"
            )


def _entries(config: Any) -> Iterator[dict[str, Any]]:
    if isinstance(config, dict):
        if isinstance(config.get("class_name"), str) and "config" in config:
            yield config
        for value in config.values():
            yield from _entries(value)
    elif isinstance(config, list):
        for value in config:
            yield from _entries(value)
