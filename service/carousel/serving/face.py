"""A version as clients of its author's own names see it: signatures, each with named inputs and outputs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from carousel.artifact import ADVANCE, LAST_STEP, SEQUENCE, SERVING, Column, Layout, TensorSpec
from carousel.errors import InvalidRequest, Violation, shortened
from carousel.serving.version import Version
from carousel.tensors import Floats, Samples

_KERAS = "serve"


@dataclass(frozen=True, slots=True)
class Face:
    """One signature by name.

    Attributes:
        name: As clients call it.
        takes: The author's inputs.
        gives: The outputs: the author's own, or one of those that Carousel adds.
        states: float32 [batch, units] each, which are taken and given too; none where a sequence's states are not seen.
    """

    name: str
    takes: Layout
    gives: Layout
    states: tuple[TensorSpec, ...] = ()

    def choose(self, names: Sequence[str]) -> tuple[str, ...]:
        """Resolve which outputs are wanted: those of `names`, all where it is empty.

        Raises:
            InvalidRequest: There is no such output, or one is named twice.
        """
        known = self.gives.names + tuple(spec.name for spec in self.states)
        for i, name in enumerate(names):
            if name not in known:
                expected = f"Outputs expected to be in the set {{{','.join(known)}}}."
                found = f"output tensor alias not found in signature: {shortened(name)} {expected}"
                raise InvalidRequest((Violation("", found),))
            if name in names[:i]:
                raise InvalidRequest((Violation("", f"duplicate output tensor alias: {name}"),))
        return tuple(names) or known

    def split(self, outputs: Sequence[Floats], names: Sequence[str]) -> list[dict[str, Samples]]:
        """Take the answer of each sequence apart: [timesteps, ...] or [...] by output name, for each."""
        return [self.gives.split(output, names) for output in outputs]


def faces(version: Version) -> Mapping[str, Face]:
    """Give every signature of a version by name.

    `serving_default` is the author's own, and so is `serve`, as Keras 3 names it beside that. Where that is one output,
    `sequence` gives every timestep's and `last_step` the last one's, whichever of them the author chose. Further
    signatures of a SavedModel that others made are there by their own names.
    """
    signature = version.signature
    takes, gives = signature.takes, signature.gives
    found = {name: Face(name, takes, gives) for name in (SERVING, _KERAS, signature.function)}
    if len(gives.columns) == 1:
        units = signature.units
        if signature.sequence is not None:
            every_step = TensorSpec(SEQUENCE, "float32", (None, signature.sequence.shape[1], units))
            found[SEQUENCE] = Face(SEQUENCE, takes, Layout((Column(every_step, 0, units, timewise=True),)))
        last = TensorSpec(LAST_STEP, "float32", (None, units))
        found[LAST_STEP] = Face(LAST_STEP, takes, Layout((Column(last, 0, units, timewise=False),)))
    others = {name: Face(name, each.signature.takes, each.signature.gives) for name, each in version.others.items()}
    return found | others


def stateful_face(version: Version) -> Face | None:
    """Give the signature `advance`: the author's own, with the states taken and given; None where the model has none.

    A sequence starts from zeros where no states come.
    """
    if not version.states:
        return None
    states = tuple(TensorSpec(state.name, "float32", (None, state.units)) for state in version.states)
    return Face(ADVANCE, version.signature.takes, version.signature.gives, states)
