"""The loop's side of one WebSocket: holds its live sequence, as a gRPC stream holds its own."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from carousel.batching import Sequence
from carousel.errors import CarouselError, InvalidRequest, Overloaded, Violation
from carousel.http.live.messages import Message, Open
from carousel.serving import (
    Catalog,
    Ending,
    Lifecycle,
    Opening,
    Session,
    Sessions,
    Tensors,
    expired,
    open_session,
    unexpected,
)
from carousel.tensors import Samples

_FIELD = "input"


class Answer(NamedTuple):
    """What the client is told.

    Attributes:
        document: As `write_message` takes it.
        settles: Messages that are answered by it.
        error: Why the sequence ended, where it failed or was sent away.
        last: Whether nothing follows.
    """

    document: Mapping[str, Any]
    settles: int
    error: CarouselError | None = None
    last: bool = False

    @property
    def size(self) -> int:
        """Bytes of its tensors."""
        named = self.document.get("outputs", {})
        arrays = [*named.values(), *([self.document["output"]] if "output" in self.document else [])]
        return sum(array.nbytes for array in arrays)


def failing(error: CarouselError, settles: int) -> Answer:
    """Say that the sequence ended by an error, which answers so many messages."""
    document: dict[str, Any] = {"error": error.message, "reason": type(error).__name__, "closed": True}
    if isinstance(error, Overloaded):
        document["retry_after"] = error.retry_after
    return Answer(document, settles, error, last=True)


class _Asked(NamedTuple):
    """What one message asked for, while its timesteps run."""

    return_state: bool
    close: bool
    first: bool


class Holder:
    """One live sequence, and its client. Of the loop's thread alone.

    Every message is answered once and in order; the last answer says `closed`, and nothing follows it.
    """

    def __init__(
        self,
        catalog: Catalog,
        sessions: Sessions,
        lifecycle: Lifecycle,
        opening: Opening,
        client: str,
        trace: str,
        tell: Callable[[Answer], None],
    ) -> None:
        """Hold what `opening` names once the first message comes; `tell` brings answers to the client's thread."""
        self._catalog = catalog
        self._sessions = sessions
        self._lifecycle = lifecycle
        self._opening = opening
        self._client = client
        self._trace = trace
        self._tell = tell
        self._session: Session | None = None
        self._over = False

    def take(self, message: Message) -> None:
        """Take a message."""
        try:
            self._take(message)
        except CarouselError as error:
            self.refuse(error)
        except Exception as bug:  # noqa: BLE001 - whatever a bug raises ends this sequence, and nothing else
            self.refuse(unexpected(bug, "a message of a live sequence failed"))

    def refuse(self, error: CarouselError) -> None:
        """End the sequence by an error of the message that came last."""
        unanswered = [] if self._session is None else self._sessions.end(self._session, error)
        self._last(failing(error, len(unanswered) + 1))

    def leave(self) -> None:
        """Let go: the client is gone."""
        self._over = True
        if self._session is not None:
            self._sessions.end(self._session, Ending.CLIENT_GONE)

    def answered(self, session: Session, sequence: Sequence, asked: _Asked) -> None:
        """Answer a message whose timesteps are done."""
        document = self._begun(session, first=asked.first)
        if sequence.output is not None:  # a window that is not full yet has no answer
            signature = session.model.version.signature
            if session.outputs:
                document["outputs"] = signature.by_name(sequence.output, session.outputs)
            elif sequence.return_sequences:
                document["output"] = signature.sequence_of(sequence.output)
            else:
                document["output"] = signature.last_step_of(sequence.output)
        self._answer(session, document, return_state=asked.return_state, close=asked.close)

    def failed(self, session: Session, error: CarouselError, asked: list[_Asked]) -> None:
        """Answer what can be answered no more; the sequence has ended."""
        self._sessions.end(session, error)
        self._last(failing(error, len(asked)))

    def expired(self, session: Session, idle_seconds: float) -> None:
        """End it: it was idle for too long."""
        self.failed(session, expired(self._opening.model, idle_seconds), [])

    def sent_away(self, session: Session) -> None:
        """Tell the client to go on elsewhere."""
        document = {"going_away": {"state": session.snapshot}, "closed": True}
        self._sessions.end(session, Ending.GOING_AWAY)
        self._last(Answer(document, 0, session.leaving))

    def _take(self, message: Message) -> None:
        session, first = self._session, self._session is None
        if self._over or (session is not None and session.leaving is not None):
            return  # the client was or is being told
        if session is None:
            named = bool(message.inputs) and "" not in message.inputs
            session = self._session = self._open(message.open or Open(), named=named)
        elif message.open is not None:
            raise InvalidRequest((Violation("open", "belongs to the first message: this sequence is open already"),))
        if message.inputs:
            asked = _Asked(message.return_state, message.close, first)
            self._sessions.feed(session, _tensors(message.inputs, session), asked, self._trace)
        elif not session.idle:
            found = "is missing while earlier messages are unanswered; close with the last timesteps"
            raise InvalidRequest((Violation("input", found),))
        else:
            document = self._begun(session, first=first)
            self._answer(session, document, return_state=message.return_state, close=message.close)

    def _open(self, asked: Open, *, named: bool) -> Session:
        self._lifecycle.check_serving()
        opening = replace(
            self._opening,
            return_sequences=asked.return_sequences,
            window=asked.window,
            snapshot=asked.initial_state,
            outputs=asked.outputs,
            named=named,
        )
        return open_session(opening, self._catalog, self._sessions, self, self, "", self._client)

    def _begun(self, session: Session, *, first: bool) -> dict[str, Any]:
        version = session.model.version
        return {"model": version.name, "version": version.number} if first else {}

    def _answer(self, session: Session, document: dict[str, Any], *, return_state: bool, close: bool) -> None:
        if return_state:
            document["state"] = session.snapshot
        if close:
            document["closed"] = True
            self._sessions.end(session, Ending.CLOSED)
            self._last(Answer(document, 1))
            return
        self._tell(Answer(document, 1))
        if session.leaving is not None and session.idle:
            self.sent_away(session)

    def _last(self, answer: Answer) -> None:
        if not self._over:
            self._over = True
            self._tell(answer._replace(last=True))


def _tensors(inputs: Mapping[str, Samples], session: Session) -> Tensors:
    """Read new timesteps as the one array that runs, whatever number of them a whole sequence has."""
    takes, faults, found = session.accepts.takes, list[Violation](), list[Violation]()
    names, unnamed = takes.names, "" in inputs
    steps = None
    if unnamed and len(names) > 1:
        faults.append(Violation(_FIELD, f"is no object, and the model takes several: {', '.join(names)}"))
    else:
        steps = takes.pack({names[0]: inputs[""]} if unnamed else inputs, found)
    for fault in found:
        rest = fault.field.removeprefix(names[0]).removeprefix(".") if unnamed else fault.field
        faults.append(Violation(f"{_FIELD}.{rest}" if rest else _FIELD, fault.description))
    return Tensors([] if steps is None else [steps], lambda _, part: f"{_FIELD}.{part}", faults=faults)
