"""What a request carries, in the words of no protocol: its inputs, where they start, what is wanted of them."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from carousel.artifact import Signature
from carousel.errors import InvalidRequest, NotStateful, Violation
from carousel.serving.snapshot import read_snapshot, read_window
from carousel.serving.validation import FieldName, Limits, check
from carousel.serving.version import Version
from carousel.tensors import Floats, Samples, describe


@dataclass(frozen=True, slots=True)
class Start:
    """Where a sequence starts.

    Attributes:
        state: float32 [state_width]; None is all zeros.
        timesteps: Taken before it.
        past: The last of them, where windows slide; None is none.
    """

    state: Floats | None = None
    timesteps: int = 0
    past: Samples | None = None


BEGINNING = Start()


@dataclass(slots=True)
class Tensors:
    """What a request carries, read against the version that will run it.

    Attributes:
        inputs: One a sequence, [timesteps, ...] as the signature says; views of the message where that is possible.
        field: How the protocol names a part of an input, for errors.
        return_sequences: Whether every timestep's output is wanted, or the last one's alone.
        return_state: Whether each sequence's final state is wanted.
        starts: One an input; none where all start from zeros.
        faults: What reading found wrong; `inputs` may be incomplete then.
    """

    inputs: list[Samples]
    field: FieldName
    return_sequences: bool = False
    return_state: bool = False
    starts: list[Start] = dataclasses.field(default_factory=list)
    faults: list[Violation] = dataclasses.field(default_factory=list)

    def checked(self, version: Version, limits: Limits, accepts: Signature | None = None) -> None:
        """Raise InvalidRequest naming every fault, or NotStateful where states are asked of a model without any.

        `accepts` says what the inputs have to be, where that is not the version's own signature.
        """
        signature = accepts or version.signature
        if self.return_sequences and signature.sequence is None:
            self.faults.append(Violation("return_sequences", "the model gives no output for every timestep"))
        if faults := self.faults + check(self.inputs, self.field, signature, limits):
            raise InvalidRequest(tuple(faults))
        if not signature.features:  # int32 and int64 are both taken for tokens, and all of them are in the vocabulary
            self.inputs = [tokens.astype(signature.dtype, copy=False) for tokens in self.inputs]
        if not version.states and (self.return_state or any(start.state is not None for start in self.starts)):
            raise NotStateful(f"{version.name} cannot be cut in time, so it has no states")


def read_past(snapshot: bytes, version: Version, window: int) -> Start:
    """Read a snapshot that a live sequence of windows starts from; an empty one is the beginning.

    Raises:
        SnapshotRefused: It holds no timesteps of this model, or more than a window.
    """
    if not snapshot:
        return BEGINNING
    signature = version.signature
    timesteps, past = read_window(snapshot, version.fingerprint, signature.features, signature.dtype, window)
    return Start(None, timesteps, past)


def read_start(snapshot: bytes, version: Version) -> Start:
    """Read a snapshot that a sequence starts from; an empty one is the beginning.

    Raises:
        NotStateful: The model has no states.
        SnapshotRefused: It is not a state of this model.
    """
    if not snapshot:
        return BEGINNING
    if not version.states:
        raise NotStateful(f"{version.name} cannot be cut in time, so it has no states")
    timesteps, state = read_snapshot(snapshot, version.fingerprint, version.state_width)
    return Start(state, timesteps)


def read_states(states: dict[str, Floats], samples: int, version: Version, faults: list[Violation]) -> list[Start]:
    """Read states by name, float32 [samples, units] each, as where the samples start.

    They are put side by side in the model's order, whatever order they came in; none where none came.
    """
    if not states:
        return []
    expected = [(state.name, (samples, state.units)) for state in version.states]
    wrong = [
        Violation(name, "is missing: a start needs all of the model's states")
        if name not in states
        else Violation(f"{name}.shape", f"is {describe(states[name].shape)}, expected {describe(shape)}")
        for name, shape in expected
        if name not in states or states[name].shape != shape
    ]
    wrong += [Violation(name, "holds NaN or infinity") for name in states if not np.isfinite(states[name]).all()]
    faults += wrong
    if wrong:
        return []
    rows = np.concatenate([states[name] for name, _ in expected], axis=1)
    return [Start(row) for row in rows]
