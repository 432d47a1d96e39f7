"""How a live sequence begins, in the words of no protocol: on which version, from which state, sliding or not."""

from collections.abc import Hashable
from dataclasses import dataclass

from carousel.errors import InvalidRequest, Violation
from carousel.serving.catalog import Catalog
from carousel.serving.inputs import read_past, read_start
from carousel.serving.session import Holder, Session
from carousel.serving.sessions import Sessions
from carousel.serving.sliding import window_of
from carousel.serving.version import Version


@dataclass(frozen=True, slots=True)
class Opening:
    """What a client asks of a live sequence that it opens.

    Attributes:
        model: The model's name.
        version: 0 for the newest, which the sequence stays on.
        label: In place of a version; "" for none.
        return_sequences: Whether every timestep is answered, or the last one of each message alone.
        window: Timesteps to keep, where it slides; 0 for the model's own number or none.
        snapshot: Where it starts; empty for the beginning.
        outputs: The outputs wanted by name; none where answers have no names.
        named: Whether its inputs come by name, so that with no `outputs` the author's are wanted.
    """

    model: str
    version: int = 0
    label: str = ""
    return_sequences: bool = False
    window: int = 0
    snapshot: bytes = b""
    outputs: tuple[str, ...] = ()
    named: bool = False


def open_session(
    opening: Opening, catalog: Catalog, sessions: Sessions, holder: Holder, scope: Hashable, key: Hashable, client: str
) -> Session:
    """Begin a live sequence. On the loop's thread.

    Raises:
        InvalidRequest: The model gives no output for every timestep, or cannot have such a window.
        SnapshotRefused: The state is not one of this version.
        ModelNotFound, NotStateful, Overloaded: As `Catalog.find`, `Sessions.open`.
    """
    # A version that is on its way out still takes back what it gave.
    find = catalog.find_for_state if opening.snapshot else catalog.find
    model = find(opening.model, opening.version, opening.label)
    version = model.version
    window = window_of(version.signature, opening.window)
    if opening.return_sequences and not window and version.signature.sequence is None:
        found = "the model gives no output for every timestep"
        raise InvalidRequest((Violation("open.return_sequences", found),))
    outputs = opening.outputs or (version.signature.gives.names if opening.named else ())
    _refuse_outputs(outputs, version, sliding_every=bool(window) and opening.return_sequences)
    every = version.signature.timewise(outputs)
    start = read_past(opening.snapshot, version, window) if window else read_start(opening.snapshot, version)
    return sessions.open(
        model,
        holder,
        scope,
        key,
        start,
        client=client,
        return_sequences=opening.return_sequences or (every and not window),
        window=window,
        whole_windows=every,
        outputs=outputs,
    )


def _refuse_outputs(outputs: tuple[str, ...], version: Version, *, sliding_every: bool) -> None:
    """Raise InvalidRequest where an output is not there, or every window is to be answered by name."""
    faults = version.signature.output_faults(outputs, "open.outputs")
    if outputs and sliding_every:
        found = "answers by name are those of the last window alone: leave it out, or send a timestep a message"
        faults.append(Violation("open.return_sequences", found))
    if faults:
        raise InvalidRequest(tuple(faults))
