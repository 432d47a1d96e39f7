"""Writes docs/models.md from small random models: python -m docs.models."""

import logging
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import activations, layers

from carousel.artifact import TOLERANCE, distance
from carousel.engines import OnnxEngine, check_invariance
from carousel_models.export.exact import Exact
from carousel_models.export.keras_file import parts_of
from carousel_models.export.running import run
from carousel_models.export.samples import answers, range_of
from carousel_models.lowering import lower
from carousel_models.lowering.walk import walk
from tests.carousel_models.lowering.models import STEPWISE, WHOLE

PAGE = Path(__file__).with_suffix(".md")

_CELLS = (layers.LSTMCell, layers.GRUCell, layers.SimpleRNNCell)
_LENGTHS = (1, 13, 60)
_RECURRENT = 130
_SEED = 7

_HEAD = """\
# Models
Written by `python -m docs.models`; do not edit. {count} small models with random weights and biases were lowered and
run over 1, 13 and 60 timesteps, or over the number that they are built for.

A **stepwise** model can be cut in time: it answers every timestep, sequences of any lengths share its batches, and live
sequences, states and snapshots are its own. A **whole** model needs the complete sequence, and shares its batches with
sequences of its length. Both run on ONNX Runtime, and no answer depends on what shares its batch, by a single bit.
Errors are max|answer - expected| / max(1, max|expected|), the worst of all models with the layer, against Keras in
float32 and against the same model in float64. Left out are the lengths at which a model makes so much of a rounding,
as log_softmax or no function at all for a gate do, that Keras itself is more than 1e-5 from float64.

| layer | models | stepwise | whole | on TensorFlow | against Keras | against float64 |
|---|---|---|---|---|---|---|
"""

_TAIL = """
Of the {count} models {stepwise} are stepwise, {whole} whole, {tensorflow} on TensorFlow, and the answers of {varying}
depend on their batch; {unsteady} make much of a rounding at some length. Farthest from Keras is {farthest}.

Layers without a lowering run on TensorFlow, whole, in models of one input and one output: {others}.

What makes a stack whole, and what keeps a layer from ONNX, is said at export and kept in `assets.extra/manifest.json`.
"""


@dataclass
class Measured:
    """What one layer came to, over the models that hold it; errors as `distance` has them."""

    stepwise: int = 0
    whole: int = 0
    tensorflow: int = 0
    keras: float = 0.0
    float64: float = 0.0
    unsteady: int = 0
    varying: int = 0
    reasons: set[str] = field(default_factory=set)

    @property
    def models(self) -> int:
        """How many models there were."""
        return self.stepwise + self.whole + self.tensorflow


def recurrent(count: int) -> Iterator[Callable[[], keras.Model]]:
    """Draw models of every argument of the recurrent layers."""
    chance = random.Random(_SEED)  # noqa: S311 - no secret
    functions = sorted(
        name
        for name, function in vars(activations).items()
        if callable(function) and name not in {"deserialize", "get", "serialize", "glu", "threshold", "sparsemax"}
    )
    for _ in range(count):
        kind = chance.choice([layers.LSTM, layers.GRU, layers.SimpleRNN])
        options: dict[str, Any] = {
            "units": chance.randint(1, 20),
            "activation": chance.choice([*functions, None]),
            "use_bias": chance.random() < 0.8,
            "return_sequences": chance.random() < 0.5,
            "go_backwards": chance.random() < 0.15,
            "dropout": chance.choice([0.0, 0.3]),
            "recurrent_dropout": chance.choice([0.0, 0.3]),
        }
        if kind is not layers.SimpleRNN:
            options["recurrent_activation"] = chance.choice(["sigmoid", "hard_sigmoid", "tanh", "softsign", None])
        if kind is layers.GRU:
            options["reset_after"] = chance.random() < 0.5
        masked = chance.random() < 0.3
        both = not options["go_backwards"] and chance.random() < 0.2

        def build(kind: Any = kind, options: Any = options, masked: bool = masked, both: bool = both) -> keras.Model:
            layer = kind(**options)
            stack = [layers.Masking()] if masked else []
            stack.append(layers.Bidirectional(layer) if both else layer)
            return keras.Sequential([layers.Input((None, 3)), *stack])

        yield build


def measure(model: keras.Model) -> Measured:
    """Lower one model and compare."""
    rng = np.random.default_rng(_SEED)
    for weight in model.trainable_weights:
        weight.assign(weight + 0.1 * rng.standard_normal(weight.shape))
    graph = lower(model)
    found = Measured(stepwise=int(graph.stepwise), whole=int(not graph.stepwise), reasons={graph.not_lowered_because})
    if graph.content is None:
        return Measured(tensorflow=1, reasons={graph.not_lowered_because})
    engine, inputs = OnnxEngine(graph.content), range_of(model)
    width = sum(state.units for state in graph.states)
    exact = Exact(model, graph.states)
    fixed = model.inputs[0].shape[1]
    for timesteps in [fixed] if fixed else _LENGTHS:
        sequence = inputs.draw(rng, timesteps)
        if not answers(model, sequence):
            continue
        own = run(model, sequence[None])[0]
        outputs, _ = engine.run(sequence[:, None], np.zeros((1, width), np.float32))
        truth = exact.answer(sequence)["last_step" if own.ndim == 1 else "sequence"]
        given = outputs[-1, 0] if own.ndim == 1 else outputs[:, 0]
        # A model that grows without bound answers infinity, and a mean of no timesteps is no number: in Keras as well.
        if np.isfinite(own).all() and np.isfinite(truth).all() and np.abs(truth).max(initial=0) < 1e6:
            if distance(own, truth) > TOLERANCE:
                found.unsteady = 1
                continue
            found.keras = max(found.keras, distance(given, own))
            found.float64 = max(found.float64, distance(given, truth))
    found.varying = int(not check_invariance(engine, _signature(model), width))
    return found


def page() -> str:
    """Measure, and write the page."""
    logging.disable(logging.WARNING)
    total, by_layer, farthest = Measured(), dict[str, Measured](), ""
    builds = [*STEPWISE.values(), *(build for build, _ in WHOLE.values()), *recurrent(_RECURRENT)]
    for i, build in enumerate(builds):
        keras.utils.set_random_seed(i)
        model = build()
        found = measure(model)
        if found.keras > total.keras:
            farthest = _describe(model)
        for each in (total, *(by_layer.setdefault(name, Measured()) for name in sorted(_names(model)))):
            each.stepwise += found.stepwise
            each.whole += found.whole
            each.tensorflow += found.tensorflow
            each.keras, each.float64 = max(each.keras, found.keras), max(each.float64, found.float64)
            each.unsteady += found.unsteady
            each.varying += found.varying
    rows = [
        f"| {name} | {m.models} | {m.stepwise or ''} | {m.whole or ''} | {m.tensorflow or ''} "
        f"| {m.keras:.0e} | {m.float64:.0e} |"
        for name, m in sorted(by_layer.items())
    ]
    others = ", ".join(f"`{name}`" for name in _without_lowering(set(by_layer)))
    tail = _TAIL.format(**vars(total), count=total.models, others=others, farthest=farthest)
    return _HEAD.format(count=total.models) + "\n".join(rows) + "\n" + tail


def _describe(model: keras.Model) -> str:
    """Name a model's first recurrent cell, with its functions."""
    cell = next(part for part in parts_of(model) if isinstance(part, _CELLS))
    functions = [getattr(cell, name, None) for name in ("activation", "recurrent_activation")]
    names = ", ".join(getattr(function, "__name__", "none") for function in functions if function is not None)
    return f"a model of {type(cell).__name__} with {names}"


def _names(model: keras.Model) -> set[str]:
    names: set[str] = set()

    def see(operation: keras.Operation, _args: Any, _kwargs: Any, given: list[Any]) -> list[Any]:
        names.add(type(operation).__name__ if isinstance(operation, layers.Layer) else "keras.ops")
        return [None] * len(given)

    walk(model, [None], see)
    return names


def _without_lowering(measured: set[str]) -> list[str]:
    from carousel_models.lowering.registry import lowered_layers  # noqa: PLC0415 - filled once lowering is imported

    lowered = lowered_layers()
    found = {
        kind.__name__
        for kind in vars(layers).values()
        if isinstance(kind, type) and issubclass(kind, layers.Layer) and kind not in lowered
    }
    return sorted(found - measured - {"Layer", "Wrapper", "InputLayer", "Pipeline"})


def _signature(model: keras.Model) -> Any:
    from carousel.artifact import Signature, TensorSpec  # noqa: PLC0415 - of this function alone

    (taken,) = model.inputs
    inputs = range_of(model)
    spec = TensorSpec("inputs", inputs.dtype, (None, *taken.shape[1:]))
    return Signature(spec, None, TensorSpec("last_step", "float32", (None, 1)), 1, inputs.vocabulary)


if __name__ == "__main__":
    PAGE.write_text(page())
