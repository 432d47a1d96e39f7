"""Requests of one client are alike: one whose bytes came before, but for its tensor's elements, is not parsed again.

A form is all that a request says beside its elements. What stands inside a field of bytes changes nothing of how the
rest is parsed, so two messages of one length that differ nowhere else have one form. The first is parsed, checked and
answered like any other. Of the next ones the elements are taken from where they stand, and their answers begin with
the bytes that the first one's began with. The way between is the same: admission, the check of the elements, the batch.
"""

from functools import partial
from typing import NamedTuple

import numpy as np

from carousel.rpc.interceptors import fail
from carousel.rpc.parsing import locate
from carousel.serving import Catalog, Pending, Request, Requests, Tensors, Version
from carousel.transport import Call
from carousel.wire import trace_of

_MAX_FORMS = 1024
_MAX_BYTES = 512  # of a request around its elements, and of an answer before them


class Mark(NamedTuple):
    """A message of which a form may be kept.

    Attributes:
        begin, end: Where its elements stand.
        around: The bytes before and after them.
        edition: Of the catalog, when the message came.
    """

    begin: int
    end: int
    around: tuple[bytes, bytes]
    edition: object


class Form:
    """What requests alike say, and how their answers begin. It holds nothing of the message that it was taken from."""

    __slots__ = ("_dtype", "_field", "_head", "_said", "_sequences", "_shape", "_size", "model")

    def __init__(self, request: Request, tensors: Tensors, head: bytes, size: int) -> None:
        """Take the form of a request that was answered by `head` and `size` bytes of elements."""
        first = tensors.inputs[0]
        self.model = request.model
        self._said = (request.model, request.version, "", request.samples, self._lengths, request.size)
        self._sequences = tensors.return_sequences
        self._field = tensors.field
        self._dtype, self._shape = first.dtype, (request.samples, *first.shape)
        self._head, self._size = head, size

    def request(self, elements: bytes, deadline: float, trace: str, client: str) -> Request:
        """Give the request with these elements to the neck of the house."""
        return Request(*self._said, self._sequences, partial(self._read, elements), deadline, trace, client)

    def answer(self, pending: Pending) -> bytes:
        """Write the answer. RuntimeError where it has not the size that the first one had."""
        elements = b"".join([each.output.tobytes() for each in pending.sequences if each.output is not None])
        if len(elements) != self._size:
            raise RuntimeError(f"{pending.version} gave {len(elements)} bytes of outputs, expected {self._size}")
        return self._head + elements

    def _lengths(self) -> list[int]:
        samples, timesteps, *_ = self._shape
        return [timesteps] * samples

    def _read(self, elements: bytes, _version: Version) -> Tensors:
        inputs = np.ndarray(self._shape, self._dtype, elements)
        return Tensors(list(inputs), self._field, return_sequences=self._sequences)


class Forms:
    """The forms of one method's requests. Of the loop's thread alone.

    They are known by the length of the message, which says where the elements stand, and by the bytes around these. A
    message of two tensors begins and ends as the shorter one of its first tensor alone: the bytes do not suffice. All
    are forgotten when other versions take requests than before.
    """

    def __init__(
        self, requests: Requests, catalog: Catalog, elements: tuple[int, ...], outputs: tuple[int, ...]
    ) -> None:
        """Find a request's `elements`, and an answer's `outputs`, by field numbers from the message inwards."""
        self._requests = requests
        self._catalog = catalog
        self._elements = elements
        self._outputs = outputs
        self._edition = catalog.edition
        self._places: dict[int, tuple[int, int]] = {}
        self._forms: dict[tuple[int, bytes, bytes], Form] = {}

    def serve(self, call: Call, message: bytes) -> bool:
        """Serve a call if the form of its message is known.

        Raises:
            CarouselError: The request is refused; see `Requests.submit`.
        """
        place = self._places.get(len(message))
        if place is None or self._catalog.edition is not self._edition:
            return False
        begin, end = place
        form = self._forms.get((len(message), message[:begin], message[end:]))
        if form is None:
            return False
        call.model = form.model
        request = form.request(message[begin:end], call.deadline, trace_of(call.metadata), call.client)
        call.on_cancel = self._requests.submit(request, partial(_reply, call, form), partial(fail, call)).abandon
        return True

    def mark(self, message: bytes) -> Mark | None:
        """Look where the elements of a message stand, for `keep`; None where they are no one field of bytes."""
        place = locate(message, self._elements)
        if place is None or len(message) - (place[1] - place[0]) > _MAX_BYTES:
            return None
        begin, end = place
        return Mark(begin, end, (message[:begin], message[end:]), self._catalog.edition)

    def keep(self, mark: Mark, request: Request, pending: Pending, answer: bytes) -> None:
        """Keep the form of a message and of its `answer`, whose outputs have to be what the engine gave, as it is.

        Only of requests that their elements and names say all about: no states, no labels, no names of the author's.
        """
        tensors = pending.tensors
        if request.label or request.named or tensors.starts or tensors.return_state:
            return
        size = sum([0 if sequence.output is None else sequence.output.nbytes for sequence in pending.sequences])
        begin = len(answer) - size
        whole = sum([steps.nbytes for steps in tensors.inputs]) == mark.end - mark.begin
        if not whole or begin > _MAX_BYTES or locate(answer, self._outputs) != (begin, len(answer)):
            return
        if self._edition is not self._catalog.edition or len(self._forms) >= _MAX_FORMS:
            self._edition = self._catalog.edition
            self._places.clear()
            self._forms.clear()
        if mark.edition is self._edition:
            self._places[request.size] = mark.begin, mark.end
            self._forms[request.size, *mark.around] = Form(request, tensors, answer[:begin], size)


def _reply(call: Call, form: Form, pending: Pending) -> None:
    call.reply(form.answer(pending))
