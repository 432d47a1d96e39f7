"""A Keras model becomes a version in a model repository: complete, checked, or not there at all."""

import hashlib
import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from carousel.artifact import (
    CELL_GRAPH,
    FOLDER,
    GOLDEN,
    MANIFEST,
    TOLERANCE,
    Golden,
    Manifest,
    Part,
    fingerprint,
    read_signature,
    write_golden,
)
from carousel.engines import OnnxEngine, TensorFlowEngine, check_invariance, reproduces
from carousel_models.export.exact import Exact
from carousel_models.export.golden_answers import golden_answers, lengths_tried
from carousel_models.export.keras_file import parts_of, read_model
from carousel_models.export.packing import packed
from carousel_models.export.publishing import publish
from carousel_models.export.samples import min_timesteps, range_of
from carousel_models.export.saved import served_stepwise, served_whole
from carousel_models.export.saved_model import read_saved_model
from carousel_models.export.servable import in_float32, refuse_batch_dependent, refuse_shapes, refuse_unservable
from carousel_models.export.vocabulary import write_asset
from carousel_models.lowering import CellGraph, lower
from carousel_models.refusals import ExportRefused

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_log = logging.getLogger(__name__)

_READ_BACK = 100 * TOLERANCE
"""TensorFlow in float32 drifts from the float64 answers on some models; a wrong file is farther off than this."""


def export(
    model: keras.Model | Path,
    repository: Path,
    name: str,
    version: int | None = None,
    *,
    vocabulary: Path | None = None,
    custom_objects: Mapping[str, Any] | None = None,
    unsafe_lambda: bool = False,
    any_length: bool = False,
) -> Path:
    """Write `model` as a version that Carousel and TensorFlow Serving serve, and check that it answers as Keras does.

    Args:
        model: A Sequential or functional model, which is not changed, a .keras or .h5 file, or the folder of a
            SavedModel that was made without Carousel.
        repository: The folder of all models; made if it is missing.
        name: The model's name: letters, digits, dots, dashes and underscores, a letter or digit first.
        version: 1 or more; one more than the highest there is where it is None.
        vocabulary: For a model of tokens, a file that says what each of them stands for, a line each from token 0 on;
            it becomes assets/vocabulary.txt of the version.
        custom_objects: For a file: layers and functions that are not Keras' own, by name.
        unsafe_lambda: For a file: whether the code that its Lambda layers keep may be run on this machine.
        any_length: Whether a stepwise model that is built for a fixed number of timesteps takes any number.

    Returns:
        The version's folder, `repository/name/version`. It appears whole or not at all.

    Raises:
        ExportRefused: The model cannot be served as it is, or what was written does not answer as Keras does.
        VersionExists: That version is there already; versions are never overwritten.
    """
    if not _NAME.fullmatch(name):
        raise ExportRefused(
            f"{name!r} is not a model name: use letters, digits, dots, dashes and underscores, a letter or digit first"
        )
    if version is not None and version < 1:
        raise ExportRefused(f"version {version}: versions are numbered from 1")

    def write(folder: Path) -> None:
        if not isinstance(model, Path):
            _write(model, folder, vocabulary, any_length=any_length)
        elif model.is_dir():
            given, *names = read_saved_model(model, custom_objects or {}, unsafe_lambda=unsafe_lambda)
            _write(given, folder, vocabulary, names, any_length=any_length)
        else:
            given = read_model(model, custom_objects, unsafe_lambda=unsafe_lambda)
            _write(given, folder, vocabulary, any_length=any_length)

    return publish(write, repository / name, version)


def read(path: Path, custom_objects: Mapping[str, Any] | None = None, *, unsafe_lambda: bool = False) -> keras.Model:
    """Read a .keras or .h5 file, or the folder of a SavedModel, as `export` does.

    Args:
        path: The file, or the folder.
        custom_objects: Layers and functions of one's own, by the names that the file has for them.
        unsafe_lambda: Whether the code that Lambda layers keep in the file may run on this machine.

    Returns:
        The model, with the meaning it had in the Keras that wrote it.

    Raises:
        ExportRefused: It is missing, of another kind, or cannot be read.
    """
    if path.is_dir():
        model, *_ = read_saved_model(path, custom_objects or {}, unsafe_lambda=unsafe_lambda)
        return model
    return read_model(path, custom_objects, unsafe_lambda=unsafe_lambda)


def _write(
    model: keras.Model,
    folder: Path,
    vocabulary: Path | None,
    names: Sequence[Sequence[str]] = ((), ()),
    *,
    any_length: bool,
) -> None:
    refuse_unservable(model)
    model, named_inputs, named_outputs = packed(model, *names)
    refuse_shapes(model)
    model, computed_in = in_float32(model)
    inputs = range_of(model)
    least = min_timesteps(model, inputs)
    if least is None:
        raise ExportRefused("the model answers no sequence of up to 512 timesteps, as Keras runs it")
    refuse_batch_dependent(model, inputs, least)
    lowered = lower(model)
    timesteps = model.inputs[0].shape[1]
    if any_length and timesteps is not None:
        if not lowered.stepwise:
            raise ExportRefused(
                f"--any-length: the model needs its {timesteps} timesteps: {lowered.not_stepwise_because}; leave it out"
            )
        timesteps, named_inputs = None, tuple(map(_of_any_length, named_inputs))
        named_outputs = tuple(map(_of_any_length, named_outputs))
    served = served_stepwise(model, lowered.states, timesteps) if lowered.stepwise else served_whole(model)
    lengths = lengths_tried(timesteps, least, stepwise=lowered.stepwise)
    answers = golden_answers(model, served, _exact(model, lowered), inputs, lengths)
    served.write(folder)
    if vocabulary is not None:
        write_asset(folder, vocabulary, inputs.vocabulary)
    extra = folder / FOLDER
    extra.mkdir()
    write_golden(extra / GOLDEN, answers)
    if lowered.content is not None:
        (extra / CELL_GRAPH).write_bytes(lowered.content)
    manifest = Manifest(
        fingerprint=fingerprint(folder),
        states=lowered.states,
        mask_value=lowered.mask_value,
        not_stepwise_because=lowered.not_stepwise_because,
        cell_graph=lowered.content is not None,
        cell_graph_sha256=hashlib.sha256(lowered.content).hexdigest() if lowered.content is not None else "",
        not_lowered_because=lowered.not_lowered_because,
        min_timesteps=1 if lowered.stepwise and timesteps is None else least,
        vocabulary=inputs.vocabulary,
        inputs=named_inputs,
        outputs=named_outputs,
        computed_in=computed_in,
        keras_version=keras.__version__,
    )
    (extra / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n")
    _say(model, manifest)
    _check(folder, manifest, answers)


def _of_any_length(part: Part) -> Part:
    if part.shape is None or not part.timewise:
        return part
    return part.model_copy(update={"shape": (part.shape[0], None, *part.shape[2:])})


def _exact(model: keras.Model, lowered: CellGraph) -> Exact | None:
    try:
        return Exact(model, lowered.states)
    except Exception as error:  # noqa: BLE001 - Keras raises whatever its layers raise
        _log.info("no copy of the model in float64: %s", error)
        return None


def _say(model: keras.Model, manifest: Manifest) -> None:
    if manifest.not_lowered_because:
        _log.warning("TensorFlow will serve this model: %s", manifest.not_lowered_because)
    if manifest.not_stepwise_because:
        _log.warning("this model runs whole, and takes no live sequences: %s", manifest.not_stepwise_because)
    for side, parts in (("inputs", manifest.inputs), ("outputs", manifest.outputs)):
        if len(parts) > 1:
            widths = ", ".join(f"{part.name} [{part.width}]" for part in parts)
            _log.warning("the model's %s stand side by side, in this order: %s", side, widths)
    repeated = [part.name for part in manifest.inputs if not part.timewise] if len(manifest.inputs) > 1 else []
    if repeated:
        _log.warning("repeat %s at every timestep: it has none of its own", ", ".join(repeated))
    if manifest.computed_in != "float32":
        _log.warning("the model computes in %s; float32 is what is served", manifest.computed_in)
    stateful = [part.name for part in parts_of(model) if getattr(part, "stateful", False)]
    if stateful:
        _log.warning(
            "stateful=True of %s: each request starts from zeros, where Keras goes on from its last batch; a live "
            "sequence goes on where it was",
            ", ".join(dict.fromkeys(stateful)),
        )


def _check(folder: Path, manifest: Manifest, answers: tuple[Golden, ...]) -> None:
    signature = manifest.complete(read_signature(folder))
    # Keras in float32 was compared with these answers already; what TensorFlow reads back must be what was written.
    fault = reproduces(TensorFlowEngine(folder, signature, manifest), answers, manifest.state_width, _READ_BACK)
    if fault:
        raise ExportRefused(f"what was written does not answer as Keras does, on tensorflow: {fault}")
    if not manifest.cell_graph:
        return
    engine = OnnxEngine(folder / FOLDER / CELL_GRAPH)
    fault = reproduces(engine, answers, manifest.state_width)
    if fault:
        raise ExportRefused(f"what was written does not answer as Keras does, on onnx: {fault}")
    if not check_invariance(engine, signature, manifest.state_width):
        _log.warning("on this machine the cell graph's answers depend in their last bits on who shares the batch")
