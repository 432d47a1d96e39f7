"""A Keras model becomes a version in a model repository: complete, checked, or not there at all."""

import logging
import re
from pathlib import Path

import keras

from carousel.artifact import (
    FOLDER,
    GOLDEN,
    MANIFEST,
    PLAN,
    Golden,
    Manifest,
    fingerprint,
    read_signature,
    write_golden,
)
from carousel.engines import Engine, OnnxEngine, TensorFlowEngine, check_invariance, reproduces
from carousel_models.export.golden_answers import golden_answers
from carousel_models.export.keras_file import read_model
from carousel_models.export.publishing import publish
from carousel_models.export.saved import served_in_chunks, served_whole
from carousel_models.export.servable import refuse_unservable, stateless_clone
from carousel_models.lowering.graph import NoPlan
from carousel_models.lowering.plan import plan_of
from carousel_models.lowering.sequence_form import RidesWhole
from carousel_models.lowering.stack import Stack, stack_of
from carousel_models.refusals import ExportRefused

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_log = logging.getLogger(__name__)


def export(model: keras.Model | Path, repository: Path, name: str, version: int | None = None) -> Path:
    """Write `model` as a version that Carousel and TensorFlow Serving serve, and check that it answers as Keras does.

    Args:
        model: A Sequential or functional model, which is not changed, or a .keras or .h5 file.
        repository: The folder of all models; made if it is missing.
        name: The model's name: letters, digits, dots, dashes and underscores, a letter or digit first.
        version: 1 or more; one more than the highest there is where it is None.

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
    return publish(lambda folder: _write(model, folder), repository / name, version)


def _write(model: keras.Model | Path, folder: Path) -> None:
    if isinstance(model, Path):
        model = read_model(model)
    refuse_unservable(model)
    try:
        stack, because = stack_of(model), ""
    except RidesWhole as reason:
        stack, because = None, f"it cannot ride in chunks: {reason}"
    served = served_whole(stateless_clone(model)) if stack is None else served_in_chunks(stack)
    answers = golden_answers(model, served, in_chunks=stack is not None)
    served.write(folder)
    extra = folder / FOLDER
    extra.mkdir()
    write_golden(extra / GOLDEN, answers)
    if stack is not None:
        because = _write_plan(stack, extra / PLAN)
    if because:
        _log.warning("TensorFlow will serve this model: %s", because)
    manifest = Manifest(
        fingerprint=fingerprint(folder),
        states=() if stack is None else stack.states,
        plan=not because,
        no_plan_because=because,
        keras_version=keras.__version__,
    )
    (extra / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n")
    _check(folder, manifest, answers)


def _write_plan(stack: Stack, path: Path) -> str:
    try:
        path.write_bytes(plan_of(stack))
    except NoPlan as reason:
        return str(reason)
    return ""


def _check(folder: Path, manifest: Manifest, answers: tuple[Golden, ...]) -> None:
    signature = read_signature(folder)
    engines: list[Engine] = [TensorFlowEngine(folder, signature, manifest)]
    if manifest.plan:
        engines.append(OnnxEngine(folder / FOLDER / PLAN))
        if not check_invariance(engines[-1], signature.input_dim, manifest.state_width):
            _log.warning("on this machine the plan's answers depend in their last bits on who rides beside a sequence")
    for engine in engines:
        fault = reproduces(engine, answers, manifest.state_width)
        if fault:
            raise ExportRefused(f"what was written does not answer as Keras does, on {engine.name}: {fault}")
