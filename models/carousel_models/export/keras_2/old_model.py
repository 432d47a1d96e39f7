"""A Sequential or functional model of Keras 2, built anew from its config."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras

from carousel_models.export.keras_2.old_layer import Config, revived
from carousel_models.export.keras_2.tf_functions import FUNCTIONS, sliced
from carousel_models.refusals import ExportRefused

_CONSTANT = "_CONSTANT_VALUE"
_RECURRENT = (keras.layers.RNN, keras.layers.Bidirectional)


def rebuild(config: Config, version: str, custom: Mapping[str, Any], *, unsafe_lambda: bool = False) -> keras.Model:
    """Build a model of Keras 3 from a config of Keras 2 or tf_keras; its weights are still to load.

    Args:
        config: `class_name` and `config`, as an .h5 file's `model_config` and a .keras file's `config.json` have them.
        version: The Keras that wrote it.
        custom: Classes and functions that are not Keras' own, by name.
        unsafe_lambda: Whether the code of Lambda layers may be run.

    Raises:
        ExportRefused: Names the layer, and what to do.
    """
    built = _Builder(version, custom, unsafe_lambda).build(config)
    if not isinstance(built, keras.Model):
        raise ExportRefused(f"the file holds a {config['class_name']}, not a model")
    return built


@dataclass(frozen=True)
class _Builder:
    version: str
    custom: Mapping[str, Any]
    unsafe_lambda: bool

    def build(self, entry: Config) -> Any:
        kind, config = entry["class_name"], entry["config"]
        if kind.rpartition(">")[2] in self.custom:
            pass
        elif kind == "Sequential":
            return self._sequential(config, entry.get("name"))
        elif "input_layers" in config:
            return self._functional(config)
        return revived(
            entry, version=self.version, custom=self.custom, unsafe_lambda=self.unsafe_lambda, revive=self.build
        )

    def _sequential(self, config: Config | list[Config], name: str | None) -> keras.Model:
        # Before 2.2.3 the layers came bare, without the model's name.
        entries = config if isinstance(config, list) else config["layers"]
        name = name if isinstance(config, list) else config["name"]
        layers = [self.build(entry) for entry in entries if entry["class_name"] != "InputLayer"]
        if not layers:
            raise ExportRefused("the model has no layers")
        taken = _input(entries[0], None if isinstance(config, list) else config.get("build_input_shape"), layers[0])
        return keras.Sequential([taken, *layers], name=name)

    def _functional(self, config: Config) -> keras.Model:
        entries = {entry["name"]: entry for entry in config["layers"]}
        graph = _Graph(entries, {}, {})
        waiting = []
        for name, entry in entries.items():
            if entry["class_name"] == "InputLayer":
                graph.results[name] = [[_input(entry, None, None)]]
                continue
            if entry["class_name"] not in {"TFOpLambda", "SlicingOpLambda"}:
                graph.layers[name] = self.build(entry)
            graph.results[name] = []
            waiting += [(name, node) for node in entry["inbound_nodes"]]
        while waiting:
            later = [(name, node) for name, node in waiting if not graph.call(name, node)]
            if len(later) == len(waiting):
                raise ExportRefused(f"the calls of layer {later[0][0]!r} name tensors that no layer gives")
            waiting = later
        taken = graph.tensors(config["input_layers"])
        given = graph.tensors(config["output_layers"])
        model = keras.Model(taken, given, name=config["name"])
        # Weights are saved in the order of the layers.
        saved = [name for name in entries if name in graph.layers and graph.layers[name].weights]
        if [layer.name for layer in model.layers if layer.weights] != saved:
            raise ExportRefused(
                f"the layers of {config['name']!r} come in another order in Keras {keras.__version__}, and their "
                "weights would be mixed up: build the model anew, and set each layer's weights by its name"
            )
        return model


def _input(entry: Config, built: list[int | None] | None, layer: Any) -> Any:
    """Give the input that comes before the first layer, from `batch_input_shape` wherever it is written."""
    config = entry["config"]
    inner = config.get("layer")
    shape = config.get("batch_input_shape") or config.get("batch_shape")
    shape = shape or (inner and inner["config"].get("batch_input_shape")) or built
    if isinstance(layer, keras.Model) and layer.inputs:
        return keras.Input(batch_shape=layer.inputs[0].shape, dtype=layer.inputs[0].dtype)
    if shape is None:
        raise ExportRefused(
            "the file does not say what shape the model takes: call the model once, or give its first layer "
            "input_shape=(timesteps, input_dim), and save it again"
        )
    dtype = config.get("dtype") or "float32"
    if isinstance(layer, keras.layers.Embedding):
        dtype = "int32"
    if isinstance(dtype, dict):
        dtype = dtype["config"].get("name", "float32")
    # A policy such as mixed_float16 computes in another type, and takes float32.
    dtype = "float32" if str(dtype).startswith("mixed") else dtype
    name = config["name"] if entry["class_name"] == "InputLayer" else f"{layer.name}_input"
    return keras.Input(batch_shape=shape, dtype=dtype, name=name)


@dataclass(frozen=True)
class _Graph:
    """A functional model while it is built.

    Attributes:
        entries: Each layer's entry in the config, by name.
        layers: Each layer.
        results: What each layer gave: a list of tensors for each call.
    """

    entries: dict[str, Config]
    layers: dict[str, Any]
    results: dict[str, list[list[Any]]]

    def call(self, name: str, node: Any) -> bool:
        """Call a layer as `node` says; tell whether all that it takes was there."""
        try:
            given = [self._argument(part) for part in ([node] if _is_flat(node) else node)]
            named = self._named(node[3] if _is_flat(node) else node[0][3] if len(node[0]) > 3 else {})
        except LookupError:
            return False
        if name in self.layers:
            result = self._call_layer(self.layers[name], given, named)
        else:
            result = self._call_function(name, given[0] if _is_flat(node) else given, named)
        self.results[name].append(list(result) if isinstance(result, list | tuple) else [result])
        return True

    def tensors(self, references: Any) -> Any:
        """Give the tensors that a model takes or gives."""
        if _is_flat(references):
            return self._argument(references)
        if isinstance(references, dict):
            return {key: self.tensors(value) for key, value in references.items()}
        found = [self._argument(reference) for reference in references]
        return found[0] if len(found) == 1 else found

    def _argument(self, reference: list[Any]) -> Any:
        name, call, position = reference[:3]
        if name == _CONSTANT:
            return position
        # A model inside a model counts its own making as its first call.
        calls = len(self.entries[name]["inbound_nodes"])
        before = 1 if isinstance(self.layers.get(name), keras.Model) and self._highest_call(name) >= calls else 0
        return self.results[name][call - before][position]

    def _highest_call(self, name: str) -> int:
        found = [-1]

        def look(value: Any) -> None:
            if self._is_reference(value):
                if value[0] == name:
                    found.append(value[1])
                value = value[3:]
            for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
                look(inner)

        look([entry["inbound_nodes"] for entry in self.entries.values()])
        return max(found)

    def _is_reference(self, value: Any) -> bool:
        return _is_flat(value) and (value[0] in self.entries or value[0] == _CONSTANT)

    def _named(self, arguments: Config) -> Config:
        def resolved(value: Any) -> Any:
            if self._is_reference(value):
                return self._argument(value)
            if isinstance(value, list):
                return [resolved(inner) for inner in value]
            return value

        return {key: resolved(value) for key, value in arguments.items() if value is not None}

    def _call_layer(self, layer: Any, given: list[Any], named: Config) -> Any:
        if isinstance(layer, _RECURRENT) and len(given) > 1:
            # Keras 2 put the states behind the sequence.
            return layer(given[0], initial_state=given[1:], **named)
        return layer(given[0] if len(given) == 1 else given, **named)

    def _call_function(self, name: str, given: Any, named: Config) -> Any:
        function = self.entries[name]["config"]["function"]
        if self.entries[name]["class_name"] == "SlicingOpLambda":
            return sliced(given, named["slice_spec"])
        if function not in FUNCTIONS:
            raise ExportRefused(
                f"the model calls tf.{function}, which has no twin here: write it as a Keras layer, and save again"
            )
        named.pop("name", None)
        try:
            bound = inspect.signature(FUNCTIONS[function]).bind(given, **named)
        except TypeError as error:
            raise ExportRefused(f"the model calls tf.{function} in a way that has no twin here: {error}") from error
        return FUNCTIONS[function](*bound.args, **bound.kwargs)


def _is_flat(value: Any) -> bool:
    """Tell a reference, a layer's name, a call and a position, from a list of them."""
    return isinstance(value, list) and len(value) in {3, 4} and isinstance(value[0], str) and isinstance(value[1], int)
