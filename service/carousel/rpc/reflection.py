"""grpc.reflection.v1 (and its older twin v1alpha, the same on the wire): what grpcurl and its like ask."""

from collections.abc import Iterator

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pool import Default, DescriptorPool
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse

from carousel.errors import CarouselError, shortened
from carousel.rpc.interceptors import Kind, Method
from carousel.rpc.stream import Stream, Streams
from carousel.transport import Call, Code

REFLECTION = "grpc.reflection.{}.ServerReflection"
VERSIONS = ("v1", "v1alpha")


class Reflection:
    """Describes the services by name."""

    def __init__(self, services: frozenset[str], streams: Streams, pools: tuple[DescriptorPool, ...] = ()) -> None:
        """Describe these full service names; their protos are in one of `pools` or in the default descriptor pool."""
        self._services = sorted(services)
        self._streams = streams
        self._pools = (*pools, Default())

    @property
    def methods(self) -> Iterator[Method]:
        """List both twins."""
        for version in VERSIONS:
            yield Method(REFLECTION.format(version), "ServerReflectionInfo", Kind.BIDI_STREAM, self._stream)

    def answer(self, request: ServerReflectionRequest) -> ServerReflectionResponse:
        """Answer one request."""
        response = ServerReflectionResponse(valid_host=request.host, original_request=request)
        asked = request.WhichOneof("message_request")
        try:
            if asked == "list_services":
                for name in self._services:
                    response.list_services_response.service.add(name=name)
            elif asked == "file_by_filename":
                _describe(self._find("FindFileByName", request.file_by_filename), response)
            elif asked == "file_containing_symbol":
                _describe(self._find("FindFileContainingSymbol", request.file_containing_symbol), response)
            else:
                _refuse(response, Code.UNIMPLEMENTED, "extensions are not described: proto3 has none")
        except KeyError:
            name = str(getattr(request, asked or ""))
            _refuse(response, Code.NOT_FOUND, f"nothing here is called {shortened(name)!r}")
        return response

    def _find(self, how: str, name: str) -> FileDescriptor:
        """Find a file in the first pool that has it. KeyError where none has."""
        for pool in self._pools[:-1]:
            try:
                return getattr(pool, how)(name)  # type: ignore[no-any-return]
            except KeyError:
                continue
        return getattr(self._pools[-1], how)(name)  # type: ignore[no-any-return]

    def _stream(self, call: Call) -> None:
        _Asking(self, Stream(self._streams, call, ServerReflectionRequest))


class _Asking:
    """One client that asks; each request is answered at once."""

    open = False

    def __init__(self, reflection: Reflection, stream: Stream[ServerReflectionRequest]) -> None:
        self._reflection = reflection
        self._stream = stream
        stream.begin(self)

    def take(self, request: ServerReflectionRequest) -> None:
        self._stream.send(self._reflection.answer(request))

    def refuse(self, _request: ServerReflectionRequest, error: CarouselError) -> None:
        self._stream.fail(error)

    def ended(self, *, client_gone: bool) -> None:
        """Hold nothing."""


def _describe(file: FileDescriptor, response: ServerReflectionResponse) -> None:
    """Add a file and all that it imports."""
    seen: dict[str, FileDescriptor] = {}
    pending = [file]
    while pending:
        here = pending.pop()
        if here.name not in seen:
            seen[here.name] = here
            pending += here.dependencies
    response.file_descriptor_response.file_descriptor_proto.extend(each.serialized_pb for each in seen.values())


def _refuse(response: ServerReflectionResponse, code: Code, message: str) -> None:
    response.error_response.error_code = code
    response.error_response.error_message = message
