"""ModelStreamInfer: requests in, answers out in the same order; an error is an answer, and the stream goes on."""

from collections import deque
from collections.abc import Callable
from functools import partial

from google.protobuf.message import DecodeError

from carousel.errors import CarouselError, GoingAway
from carousel.rpc.interceptors import fail, not_a_message
from carousel.rpc.open_inference.infer import Infer
from carousel.rpc.trace import trace_of
from carousel.stubs.oip.open_inference_pb2 import ModelInferRequest, ModelInferResponse, ModelStreamInferResponse
from carousel.transport import Call

_ELSEWHERE = "the server is going away: stream elsewhere"

_UNSENT = 1 << 20
"""Bytes of answers that may wait for a slow reader before its stream is read no further."""

_UNANSWERED = 1024
"""Requests of one stream that may wait for their answers before it is read no further."""


class Streams:
    """The open streams of this server."""

    def __init__(self, infer: Infer) -> None:
        self._infer = infer
        self._open: dict[_Stream, None] = {}
        self._draining = False

    def stream(self, call: Call) -> None:
        """Serve one stream until the client has no more."""
        stream = _Stream(self, call, self._infer)
        self._open[stream] = None
        stream.read()

    def go_away(self) -> None:
        """End each stream once all that it asked is answered."""
        self._draining = True
        for stream in list(self._open):
            stream.end_if_done()

    @property
    def draining(self) -> bool:
        """Whether no stream may stay."""
        return self._draining

    def ended(self, stream: "_Stream") -> None:
        """Note that a stream was closed."""
        self._open.pop(stream, None)


class _Turn:
    """One request of a stream, in its place among the others; its answer waits for theirs."""

    __slots__ = ("abandon", "response")

    def __init__(self) -> None:
        self.response: ModelStreamInferResponse | None = None
        self.abandon: Callable[[], None] | None = None


class _Stream:
    """One stream: its requests in order, and its pace."""

    def __init__(self, streams: Streams, call: Call, infer: Infer) -> None:
        self._streams = streams
        self._call = call
        self._trace = trace_of(call.metadata)
        self._infer = infer
        self._reading = False
        self._half_closed = False
        self._turns: deque[_Turn] = deque()
        call.on_cancel = self._abandon
        call.on_sent = self.read

    def read(self) -> None:
        """Ask for the next request, unless answers pile up: then the client's sends wait, which is flow control."""
        waits = self._reading or self._half_closed
        if not waits and len(self._turns) < _UNANSWERED and self._call.unsent < _UNSENT:
            self._reading = True
            self._call.receive(self._received)

    def end_if_done(self) -> None:
        """End when the client has no more to ask, or the server no more to give."""
        if self._turns or not (self._half_closed or self._streams.draining):
            return
        self._streams.ended(self)
        if self._half_closed:
            self._call.finish()
        else:
            fail(self._call, GoingAway(_ELSEWHERE))

    def _received(self, message: bytes | None) -> None:
        self._reading = False
        if message is None:
            self._half_closed = True
            self.end_if_done()
            return
        try:
            request = ModelInferRequest.FromString(message)
        except DecodeError:
            fail(self._call, not_a_message(self._call, message))
            self._abandon()
            return
        self._take(request)
        self.read()

    def _take(self, request: ModelInferRequest) -> None:
        turn = _Turn()
        self._turns.append(turn)
        flag = request.parameters.get("triton_enable_empty_final_response")
        final = flag is not None and flag.bool_param
        refuse = partial(self._failed, turn, request.id)
        if self._streams.draining:
            refuse(GoingAway(_ELSEWHERE))
            return
        try:
            turn.abandon = self._infer.begin(
                request, self._call.deadline, self._trace, partial(self._answered, turn, final=final), refuse
            )
        except CarouselError as error:
            refuse(error)

    def _answered(self, turn: _Turn, response: ModelInferResponse, *, final: bool) -> None:
        if final:
            response.parameters["triton_final_response"].bool_param = True
        self._give(turn, ModelStreamInferResponse(infer_response=response))

    def _failed(self, turn: _Turn, id_: str, error: CarouselError) -> None:
        response = ModelStreamInferResponse(error_message=error.message, infer_response=ModelInferResponse(id=id_))
        self._give(turn, response)

    def _give(self, turn: _Turn, response: ModelStreamInferResponse) -> None:
        turn.response = response
        while self._turns and (first := self._turns[0].response) is not None:
            self._turns.popleft()
            self._call.send(first.SerializeToString())
        self.read()
        self.end_if_done()

    def _abandon(self) -> None:
        for turn in self._turns:
            if turn.abandon is not None:
                turn.abandon()
        self._turns.clear()
        self._streams.ended(self)
