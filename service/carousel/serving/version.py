"""A model version as it was loaded: what it takes, what runs it, what its ticks cost."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from carousel.artifact import Signature, State, fingerprint, other_functions, read_manifest, read_signature
from carousel.batching import Costs
from carousel.engines import Choice, Engine, TensorFlowEngine, check_invariance, load_engine, profile
from carousel.errors import ModelRejected
from carousel.tensors import Floats

logger = logging.getLogger("carousel.serving")

_TRIED = 16
"""Every length up to this is tried with a model that does not say what its shortest is; then powers of two to 512."""


@dataclass(frozen=True, slots=True)
class Version:
    """A model version as reading, checking and measuring it gave: made on the loading thread, never changed.

    Attributes:
        name, number: Where it stands in the repository: `<name>/<number>/`.
        states: The parts of a row of state, in order; empty for a model that cannot be cut in time.
        not_preferred_because: Why no engine before this one in ENGINES serves it; empty where it is the first.
        batch_invariant: Whether on this machine no answer depended on its batch or chunks by a single bit; None where
            the engine does not promise it.
        others: Further signatures of a SavedModel that others made, by name, each as a version of its own.
    """

    name: str
    number: int
    signature: Signature
    states: tuple[State, ...]
    fingerprint: str
    engine: Engine
    costs: Costs
    not_preferred_because: str
    batch_invariant: bool | None
    others: "Mapping[str, Version]" = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name} version {self.number}"

    @property
    def state_width(self) -> int:
        """Floats of a row of state."""
        return sum(state.units for state in self.states)

    def state_of(self, row: Floats, name: str) -> Floats:
        """Take the state of this name, [units], out of a row of state; KeyError where the model has none such."""
        begin = 0
        for state in self.states:
            if state.name == name:
                return row[begin : begin + state.units]
            begin += state.units
        raise KeyError(name)


def load_version(
    folder: Path, choice: Choice = "auto", threads: int = 1, *, tensorflow_batches: bool = False
) -> Version:
    """Load the version in `folder`, `<repository>/<name>/<version>`: read it, check it, measure it.

    With `tensorflow_batches` rows share TensorFlow's calls, where that is the engine: what they get then differs in its
    last bits from what each gets alone, and is not promised to be equal.

    Raises:
        ModelRejected: It cannot be served; the message says why and what to do.
    """
    signature = read_signature(folder)
    manifest = read_manifest(folder)
    if manifest is not None:
        signature = manifest.complete(signature)
    engine, because = load_engine(folder, signature, manifest, choice, threads)
    if signature.foreign:
        signature = replace(signature, min_timesteps=_min_timesteps(folder, engine, signature))
    states, width = (manifest.states, manifest.state_width) if manifest is not None else ((), 0)
    equal = check_invariance(engine, signature, width) if engine.batch_invariant else None
    if equal is False and states and engine.name == TensorFlowEngine.name:
        assert manifest is not None
        logger.warning(
            "%s: on TensorFlow chunks change the last bits here, so it is served whole, without states", folder
        )
        engine = TensorFlowEngine(folder, signature, manifest.model_copy(update={"states": ()}), threads)
        signature, states, width = replace(signature, mask_value=None), (), 0
        equal = check_invariance(engine, signature, width)
    if equal is False:
        logger.warning(
            "%s: on this machine answers depend on the batch: the promise of equal bits does not hold", folder
        )
    if tensorflow_batches and isinstance(engine, TensorFlowEngine) and engine.share_batches():
        equal = None
    costs = profile(engine, signature, width)
    own = fingerprint(folder)  # the manifest names the SavedModel that the graph is of, which need not be this one
    version = Version(folder.parent.name, int(folder.name), signature, states, own, engine, costs, because, equal)
    if not isinstance(engine, TensorFlowEngine):
        return version
    return replace(version, others=dict(_others(folder, version, engine)))


def _others(folder: Path, version: Version, engine: TensorFlowEngine) -> Iterator[tuple[str, Version]]:
    """Measure every further signature that can be served; the log says why one cannot."""
    for name in other_functions(folder, version.signature):
        try:
            signature = read_signature(folder, name)
            own = engine.of(signature)
            signature = replace(signature, min_timesteps=_min_timesteps(folder, own, signature))
        except ModelRejected as error:
            logger.warning("%s", error)
        else:
            equal = check_invariance(own, signature, 0) if own.batch_invariant else None
            costs = profile(own, signature, 0)
            yield name, replace(version, signature=signature, engine=own, costs=costs, batch_invariant=equal)


def _min_timesteps(folder: Path, engine: Engine, signature: Signature) -> int:
    """Find the shortest sequence that a model of which no manifest says it can answer."""
    if signature.timesteps is not None:
        lengths = [signature.timesteps]
    else:
        lengths = [*range(1, _TRIED + 1), *(2**power for power in range(5, 10))]
    fault: Exception | None = None
    for length in lengths:
        zeros = np.zeros((length, 1, *signature.features), signature.dtype)
        try:
            engine.run(zeros, np.zeros((1, 0), np.float32))
        except Exception as error:  # noqa: BLE001 - engines share no class of errors
            fault = fault or error
        else:
            return length
    raise ModelRejected(f"{folder}: answers no sequence of {lengths[0]} to {lengths[-1]} timesteps: {fault}")
