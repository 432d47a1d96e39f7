"""The sequences of one request, collected as they step off."""

from collections.abc import Callable

from carousel.batching import Sequence
from carousel.errors import CarouselError
from carousel.serving.model import Model


class Group:
    """One request's sequences: answered when the last one stepped off, failed when the first one failed.

    Attributes:
        sequences: One a sample, each with `take` as its `done`.
    """

    __slots__ = ("_answer", "_fail", "_left", "_model", "sequences")

    def __init__(
        self, model: Model, answer: Callable[[list[Sequence]], None], fail: Callable[[CarouselError], None]
    ) -> None:
        """Collect for one request; exactly one of `answer` and `fail` is called, once, unless it is abandoned."""
        self._model = model
        self._answer = answer
        self._fail = fail
        self._left = 0
        self.sequences: list[Sequence] = []

    def submit(self) -> None:
        """Let the sequences in.

        Raises:
            CarouselError: As `Model.submit`; none is in then.
        """
        self._left = len(self.sequences)
        try:
            self._model.submit(self.sequences)
        except CarouselError:
            self._model.counters.requests_failed += 1
            raise

    def take(self, sequence: Sequence) -> None:
        """Take a sequence that stepped off. After the request was failed or abandoned, the others say nothing new."""
        if not self._left:
            return
        self._left -= 1
        if sequence.error is None and self._left:
            return
        self._model.counters.answered(sequence.finished - sequence.arrived, failed=sequence.error is not None)
        if sequence.error is None:
            self._answer(self.sequences)
        else:
            self.abandon()
            self._fail(sequence.error)

    def abandon(self) -> None:
        """Do no more of the work, and answer no more."""
        self._left = 0
        for sequence in self.sequences:
            self._model.cancel(sequence)
