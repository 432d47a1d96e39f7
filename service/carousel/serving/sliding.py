"""A live sequence that slides: the server keeps its last timesteps, and answers each new one as Predict would the last.

A model of a fixed number of timesteps answers windows of that many. Its clients send a new timestep, not the window
again: the server joins it to those before. Windows share no state, so the answers are those of Predict, bit for bit.
"""

from collections.abc import Callable, Hashable
from dataclasses import replace
from functools import partial

import numpy as np

from carousel.artifact import Signature
from carousel.batching import Sequence
from carousel.errors import InvalidRequest, Violation
from carousel.serving.inputs import Start
from carousel.serving.model import Model
from carousel.serving.session import Holder, Session
from carousel.serving.snapshot import write_window
from carousel.tensors import Samples

MAX_WINDOW_BYTES = 4 << 20
"""Timesteps that one live sequence may keep."""


def window_of(signature: Signature, asked: int) -> int:
    """Say how many timesteps a live sequence keeps, where `asked` are asked for; 0 where it keeps a state instead.

    Raises:
        InvalidRequest: The model takes another number, or so many are not kept.
    """
    window = asked or signature.timesteps or 0
    fault = ""
    if window < 0 or signature.timesteps not in {None, window}:
        fault = f"is {asked}, the model takes exactly {signature.timesteps} timesteps: leave it out"
    elif 0 < window < signature.min_timesteps:
        fault = f"is {asked}, the model takes at least {signature.min_timesteps} timesteps"
    elif bytes_of(signature, window) > MAX_WINDOW_BYTES:
        fault = f"is {window}; a live sequence keeps at most {MAX_WINDOW_BYTES} bytes"
    if fault:
        raise InvalidRequest((Violation("open.window", fault),))
    return window


def of_any_length(signature: Signature) -> Signature:
    """Say what the messages of a live sequence that slides may hold: any number of timesteps."""
    free = replace(signature.inputs, shape=(None, None, *signature.features))
    return replace(signature, inputs=free, input_layout=signature.takes.of_any_length(), min_timesteps=1)


def bytes_of(signature: Signature, window: int) -> int:
    """Count the bytes of a window of so many timesteps."""
    return window * max(1, signature.input_dim) * signature.dtype.itemsize


class SlidingSession(Session):
    """One live sequence of windows. Of the loop's thread alone.

    Attributes:
        window: Timesteps of each window.
        whole_windows: Whether every timestep's output of a window is its answer, or the last one's alone.
        past: The last of them, [window or fewer, ...] as the signature says.
    """

    __slots__ = ("_accepts", "_running", "past", "whole_windows", "window")

    def __init__(
        self,
        model: Model,
        holder: Holder,
        scope: Hashable,
        key: Hashable,
        start: Start,
        *,
        return_sequences: bool,
        client: str,
        touch: "Callable[[Session], float]",
        window: int,
        whole_windows: bool = False,
        outputs: tuple[str, ...] = (),
    ) -> None:
        """Begin with the timesteps that `start` brings; see `Session`."""
        signature = model.version.signature
        self.window = window
        self.whole_windows = whole_windows
        self._accepts = of_any_length(signature)
        none = np.empty((0, *signature.features), signature.dtype)
        self.past: Samples = none if start.past is None else start.past
        self._running: list[Sequence] = []
        super().__init__(
            model,
            holder,
            scope,
            key,
            start,
            return_sequences=return_sequences,
            client=client,
            touch=touch,
            outputs=outputs,
        )
        self.mask_value = None  # its messages are kept as they came

    @property
    def accepts(self) -> Signature:
        """What its messages may hold: any number of timesteps."""
        return self._accepts

    @property
    def snapshot(self) -> bytes:
        """Pack the timesteps kept; empty before the first."""
        return write_window(self.model.version.fingerprint, self.timesteps, self.past) if self.timesteps else b""

    def check_count(self, timesteps: int, max_windows: int) -> None:
        """Refuse a message of more windows than a request may have sequences. Raises InvalidRequest."""
        if self.return_sequences and timesteps > max_windows:
            found = f"brings {timesteps} timesteps, each a window; the limit is {max_windows} (max_samples)"
            raise InvalidRequest((Violation("input.shape", found),))

    def drop(self) -> list[object]:
        """Give up what is not answered yet; return its contexts."""
        for sequence in self._running:
            self.model.cancel(sequence)
        self._running = []
        contexts = [context for _, context in self._fed]
        self._fed.clear()
        return contexts

    def _run(self) -> None:
        message = self._fed[0][0]
        joined = np.concatenate([self.past, message.inputs])
        # Before as many timesteps came as the model takes, there is nothing that Predict would answer.
        least = self.window if self.model.version.signature.timesteps else self.model.version.signature.min_timesteps
        first = len(self.past) + 1 if self.return_sequences else len(joined)
        ends = range(max(first, least), len(joined) + 1)
        past, windows = joined[-self.window :].copy(), list[Sequence]()
        done = partial(self._one_done, past, windows)
        mask_value = self.model.version.signature.mask_value
        windows += [
            Sequence(
                joined[max(0, end - self.window) : end],
                done,
                return_sequences=self.whole_windows,
                mask_value=mask_value,
                trace=message.trace,
                client=self.client,
            )
            for end in ends
        ]
        self._running = list(windows)
        if windows:
            self.model.submit(windows)
        else:
            self._answer(past, windows)

    def _one_done(self, past: Samples, windows: list[Sequence], sequence: Sequence) -> None:
        self._running.remove(sequence)
        if sequence.error is not None:
            self.touched = self._touch(self)
            self.model.counters.answered(sequence.finished - sequence.arrived, failed=True)
            self.holder.failed(self, sequence.error, self.drop())
        elif not self._running:
            self._answer(past, windows)

    def _answer(self, past: Samples, windows: list[Sequence]) -> None:
        message = self._fed[0][0]
        self.past = past
        if windows:
            outputs = [window.output for window in windows if window.output is not None]
            message.output = np.stack(outputs) if self.return_sequences else outputs[-1]
            message.arrived = min(window.arrived for window in windows)
            message.finished = max(window.finished for window in windows)
        self._done(message)
