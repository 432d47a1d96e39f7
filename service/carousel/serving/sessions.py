"""The registry of live sequences, of every protocol: how many there are, how long they are idle, how they end."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from enum import StrEnum
from functools import partial
from typing import Any

from carousel.errors import CarouselError, GoingAway, NotStateful, Overloaded, SessionExpired
from carousel.serving.inputs import Start, Tensors
from carousel.serving.model import Model
from carousel.serving.session import Holder, Session
from carousel.serving.sliding import SlidingSession, bytes_of
from carousel.serving.validation import Limits
from carousel.telemetry import SessionReadings
from carousel.tensors import FLOAT32

_REMEMBERED = 4096
"""How many of the sessions that ended are remembered, to say why when a client goes on with one."""


class Ending(StrEnum):
    """How a live sequence ended without an error."""

    CLOSED = "closed"
    HALF_CLOSED = "half_closed"
    CLIENT_GONE = "client_gone"
    GOING_AWAY = "going_away"


class Sessions:
    """Every live sequence of this server: by its scope and key, and by its version, the longest idle first.

    Of the loop's thread alone.

    Attributes:
        limits: What one message may hold.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        max_open: int,
        max_per_scope: int,
        idle_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Allow so many at once, so many of one stream, each to be idle for so long, and messages within `limits`."""
        self.limits = limits
        self._max_open = max_open
        self._max_per_scope = max_per_scope
        self._idle_seconds = idle_seconds
        self._clock = clock
        self._scopes: dict[Hashable, dict[Hashable, Session]] = {}
        self._models: dict[Model, OrderedDict[Session, None]] = {}
        self._open = 0
        self._window_bytes = 0
        self._ended: OrderedDict[tuple[Hashable, Hashable], CarouselError] = OrderedDict()

    def __len__(self) -> int:
        """Count the live sequences."""
        return self._open

    def find(self, scope: Hashable, key: Hashable) -> Session | None:
        """Find a live sequence; None where there is none of this key."""
        return self._scopes.get(scope, {}).get(key)

    def why_ended(self, scope: Hashable, key: Hashable) -> CarouselError | None:
        """Say why the last live sequence of this key ended, where that was remembered."""
        return self._ended.get((scope, key))

    def of_scope(self, scope: Hashable) -> list[Session]:
        """List the live sequences of a stream."""
        return list(self._scopes.get(scope, {}).values())

    def open(
        self,
        model: Model,
        holder: Holder,
        scope: Hashable,
        key: Hashable,
        start: Start,
        *,
        return_sequences: bool,
        client: str = "",
        window: int = 0,
        whole_windows: bool = False,
        outputs: tuple[str, ...] = (),
    ) -> Session:
        """Begin a live sequence; one of a `window` of so many timesteps slides.

        With `whole_windows` its answer to a message is every timestep's of the last window. `outputs` are kept for who
        answers its client.

        Raises:
            NotStateful: The model cannot be cut in time.
            Overloaded: There are as many as may be.
        """
        version = model.version
        if not version.states and not window:
            raise NotStateful(
                f"{version.name} cannot be cut in time, so a live sequence has no state: open it with a window of "
                "timesteps, and it slides"
            )
        kept = bytes_of(version.signature, window)
        if kept and self._window_bytes + kept > self.limits.held_bytes:
            raise Overloaded(
                f"the windows of live sequences may take {self._window_bytes} bytes, this one {kept} more, and the "
                f"limit is {self.limits.held_bytes} (max_held_bytes)"
            )
        if self._open >= self._max_open:
            raise Overloaded(f"{self._max_open} live sequences are open, and that is the limit (max_sessions)")
        of_scope = self._scopes.setdefault(scope, {})
        if len(of_scope) >= self._max_per_scope:
            raise Overloaded(
                f"{self._max_per_scope} live sequences are open on this stream, and that is the limit "
                "(max_sessions_per_stream)"
            )
        opened = partial(SlidingSession, window=window, whole_windows=whole_windows) if window else Session
        session = opened(
            model,
            holder,
            scope,
            key,
            start,
            return_sequences=return_sequences,
            client=client,
            touch=self._touch,
            outputs=outputs,
        )
        of_scope[key] = session
        self._open += 1
        self._window_bytes += kept
        self._ended.pop((scope, key), None)
        model.counters.sessions_opened += 1
        return session

    def feed(self, session: Session, tensors: Tensors, context: Any, trace: str = "") -> None:
        """Run a message's timesteps after those before; a faulty message leaves the session as it was.

        Args:
            session: The live sequence.
            tensors: One input, float32 [timesteps, input_dim].
            context: Comes back to the session's holder with the answer.
            trace: The id of the trace that the message is part of; "" without one.

        Raises:
            InvalidRequest: There are faults; every one is named.
        """
        model = session.model
        try:
            if isinstance(session, SlidingSession):
                tensors.checked(model.version, self.limits, session.accepts)
                session.check_count(len(tensors.inputs[0]), self.limits.samples)
            else:
                tensors.checked(model.version, self.limits)
        except CarouselError:
            model.counters.requests_failed += 1
            raise
        session.feed(tensors.inputs[0], context, trace)

    def end(self, session: Session, why: Ending | CarouselError, *, remember: CarouselError | None = None) -> list[Any]:
        """End a live sequence; return the contexts of its unanswered messages. A second time does nothing.

        Args:
            session: The live sequence.
            why: Is counted.
            remember: What `why_ended` says to a client that goes on with it.
        """
        of_scope = self._scopes.get(session.scope, {})
        if of_scope.get(session.key) is not session:
            return []
        del of_scope[session.key]
        if not of_scope:
            del self._scopes[session.scope]
        of_model = self._models[session.model]
        del of_model[session]
        if not of_model:
            del self._models[session.model]
        self._open -= 1
        if isinstance(session, SlidingSession):
            self._window_bytes -= bytes_of(session.model.version.signature, session.window)
        session.model.counters.sessions_closed[why if isinstance(why, Ending) else type(why).__name__] += 1
        if remember is not None:
            self._ended[session.scope, session.key] = remember
            if len(self._ended) > _REMEMBERED:
                self._ended.popitem(last=False)
        return session.drop()

    def expire(self) -> None:
        """End the live sequences that were idle for too long. Called every second or so."""
        now = self._clock()
        for of_model in list(self._models.values()):
            while of_model:
                session = next(iter(of_model))
                idle = now - session.touched
                if idle < self._idle_seconds:
                    break
                if session.idle:
                    session.holder.expired(session, idle)
                else:
                    of_model.move_to_end(session)
                    session.touched = now

    def held_by(self, model: Model) -> int:
        """Count the live sequences of a version."""
        return len(self._models.get(model, ()))

    def retire(self, model: Model) -> None:
        """Send the live sequences of a version that is being unloaded away."""
        for session in list(self._models.get(model, ())):
            self._send_away(session, GoingAway(f"{model.version} is being unloaded"))

    def go_away(self) -> None:
        """Send every live sequence away: the server is going."""
        for model in list(self._models):
            for session in list(self._models.get(model, ())):
                self._send_away(session, GoingAway("the server is going away: open live sequences elsewhere"))

    def read(self, model: Model, now: float) -> SessionReadings:
        """Copy the numbers of a version's live sequences at `now`, in seconds on the clock."""
        of_model = self._models.get(model, OrderedDict())
        oldest = next(iter(of_model), None)
        idle = 0.0 if oldest is None else now - oldest.touched
        return SessionReadings(len(of_model), idle, FLOAT32.itemsize * model.version.state_width * len(of_model))

    def _touch(self, session: Session) -> float:
        of_model = self._models.setdefault(session.model, OrderedDict())
        of_model[session] = None
        of_model.move_to_end(session)
        return self._clock()

    def _send_away(self, session: Session, why: GoingAway) -> None:
        session.leaving = session.leaving or why
        if session.idle:
            session.holder.sent_away(session)


def expired(name: object, idle_seconds: float) -> SessionExpired:
    """Say that a live sequence is gone."""
    return SessionExpired(
        f"live sequence {name!r} was idle for {idle_seconds:.0f} s, and is gone (session_idle_seconds)"
    )
