"""One inference request, whatever call it came on: given to the neck, or to its live sequence."""

from collections.abc import Callable

from carousel.errors import CarouselError
from carousel.oip.infer_request import InferRequest, Rules
from carousel.oip.infer_response import write_response
from carousel.oip.sequences import Sequences
from carousel.serving import Pending, Request, Requests
from carousel.stubs.oip.open_inference_pb2 import ModelInferRequest, ModelInferResponse

Answer = Callable[[ModelInferResponse], None]
Fail = Callable[[CarouselError], None]
Keep = Callable[[Request, Pending, ModelInferResponse], None]
"""Takes note of a request for whole sequences and of its answer, once that is given."""


class Infer:
    """Begins requests; each is answered or failed once, or abandoned."""

    def __init__(self, requests: Requests, sequences: Sequences, rules: Rules) -> None:
        self._requests = requests
        self._sequences = sequences
        self._rules = rules

    def begin(
        self,
        message: ModelInferRequest,
        size: int,
        deadline: float,
        trace: str,
        client: str,
        answer: Answer,
        fail: Fail,
        keep: Keep | None = None,
    ) -> Callable[[], None]:
        """Begin a request of `size` bytes, whose client waits until `deadline`; return what abandons it.

        Raises:
            CarouselError: It is refused; neither `answer` nor `fail` is called then.
        """
        request = InferRequest(message, size, self._rules)
        if request.parameters.sequence is not None:
            self._sequences.feed(request, trace, client, answer, fail)
            return _stay
        asked = request.request(deadline, trace, client)

        def answered(pending: Pending) -> None:
            response = write_response(request, pending.version, pending.sequences)
            answer(response)
            if keep is not None:
                keep(asked, pending, response)

        return self._requests.submit(asked, answered, fail).abandon


def _stay() -> None:
    """Let a live sequence's timesteps run although their client left: it would have a gap without them."""
