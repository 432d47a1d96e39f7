"""ModelStreamInfer: requests in, answers out in the same order; an error is an answer, and the stream goes on."""

from collections import deque
from collections.abc import Callable
from functools import partial

from carousel.errors import CarouselError, GoingAway
from carousel.oip import Infer
from carousel.rpc.stream import Stream, Streams
from carousel.stubs.oip.open_inference_pb2 import ModelInferRequest, ModelInferResponse, ModelStreamInferResponse
from carousel.transport import Call
from carousel.wire import trace_of


class _Place:
    """One request of a stream, in its place among the others; its answer waits for theirs."""

    __slots__ = ("abandon", "response", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.response: ModelStreamInferResponse | None = None
        self.abandon: Callable[[], None] | None = None


class InferStream:
    """One stream of requests."""

    open = False

    def __init__(self, infer: Infer, streams: Streams, call: Call) -> None:
        """Serve a call until its client has no more."""
        self._infer = infer
        self._lifecycle = streams.lifecycle
        self._deadline = call.deadline
        self._trace = trace_of(call.metadata)
        self._client = call.client
        self._places: deque[_Place] = deque()
        self._stream = Stream(streams, call, ModelInferRequest)
        self._stream.begin(self)

    def take(self, request: ModelInferRequest) -> None:
        """Begin one request."""
        place = _Place(request.ByteSize())
        self._places.append(place)
        self._stream.expect(place.size)
        flag = request.parameters.get("triton_enable_empty_final_response")
        final = flag is not None and flag.bool_param
        failed = partial(self._failed, place, request.id)
        if self._lifecycle.draining:
            failed(GoingAway("the server is going away: stream elsewhere"))
            return
        try:
            answered = partial(self._answered, place, final=final)
            place.abandon = self._infer.begin(
                request, place.size, self._deadline, self._trace, self._client, answered, failed
            )
        except CarouselError as error:
            failed(error)

    def refuse(self, _request: ModelInferRequest, error: CarouselError) -> None:
        """End the stream: each request answers for its own errors, so this is none of them."""
        self._stream.fail(error)

    def ended(self, *, client_gone: bool) -> None:  # noqa: ARG002 - both ends are the same here
        """Do no more of the work."""
        for place in self._places:
            if place.abandon is not None:
                place.abandon()
        self._places.clear()

    def _answered(self, place: _Place, response: ModelInferResponse, *, final: bool) -> None:
        if final:
            response.parameters["triton_final_response"].bool_param = True
        self._give(place, ModelStreamInferResponse(infer_response=response))

    def _failed(self, place: _Place, id_: str, error: CarouselError) -> None:
        response = ModelStreamInferResponse(error_message=error.message, infer_response=ModelInferResponse(id=id_))
        self._give(place, response)

    def _give(self, place: _Place, response: ModelStreamInferResponse) -> None:
        place.response = response
        while self._places and (first := self._places[0].response) is not None:
            self._stream.settle(self._places.popleft().size)
            self._stream.send(first)
        self._stream.read()
        self._stream.end_if_done()
