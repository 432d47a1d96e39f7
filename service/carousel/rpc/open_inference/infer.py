"""One inference request, whatever call it came on: read, ride, answer."""

import math
import time
from collections.abc import Callable
from functools import partial

from carousel.batching import Sequence
from carousel.errors import CarouselError
from carousel.rpc.open_inference.infer_request import Question, Reader
from carousel.rpc.open_inference.infer_response import write_answer
from carousel.rpc.open_inference.sequences import Sequences
from carousel.rpc.open_inference.versions import find
from carousel.serving import Catalog, Group, Model
from carousel.stubs.oip.open_inference_pb2 import ModelInferRequest, ModelInferResponse

Answer = Callable[[ModelInferResponse], None]
Fail = Callable[[CarouselError], None]


def _stay() -> None:
    """Let a live sequence's timesteps ride although nobody waits: it would have a gap without them."""


class Infer:
    """Begins requests; each is answered or failed once, or abandoned."""

    def __init__(self, catalog: Catalog, reader: Reader, sequences: Sequences) -> None:
        self._catalog = catalog
        self._reader = reader
        self._sequences = sequences

    def begin(
        self, request: ModelInferRequest, deadline: float, trace: str, answer: Answer, fail: Fail
    ) -> Callable[[], None]:
        """Begin one request of a trace, whose client waits until `deadline`; return what abandons it.

        Raises:
            CarouselError: It is refused; neither `answer` nor `fail` is called then.
        """
        parameter = request.parameters.get("sequence_id")
        sequence = parameter and (parameter.int64_param or parameter.uint64_param or parameter.string_param)
        if sequence:
            self._sequences.feed(request, sequence, trace, answer, fail)
            return _stay
        model = find(self._catalog, request.model_name, request.model_version)
        question = self._reader.read(request, model)
        timeout = question.parameters.timeout
        group = Group(model, partial(_answer, question, model, answer), fail)
        until = min(deadline, math.inf if timeout is None else time.monotonic() + timeout)
        lengths = [len(steps) for steps in question.steps]
        model.admit(len(lengths), sum(lengths), max(lengths), until)
        starts = question.starts
        group.sequences = [
            Sequence(
                steps,
                group.take,
                return_sequences=question.return_sequences,
                return_state=question.return_state,
                state=None if starts is None else starts[i],
                deadline=until,
                trace=trace,
            )
            for i, steps in enumerate(question.steps)
        ]
        group.submit()
        return group.abandon


def _answer(question: Question, model: Model, answer: Answer, sequences: list[Sequence]) -> None:
    answer(write_answer(question, model.version, sequences))
