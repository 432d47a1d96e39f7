"""grpc.reflection.v1 (and its older twin v1alpha, the same on the wire): what grpcurl and its like ask."""

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pool import Default
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse

from carousel.transport import Call, Code


class Reflection:
    """Describes the services by name."""

    def __init__(self, services: frozenset[str]) -> None:
        """Describe these full service names; their protos are in the default descriptor pool."""
        self._services = sorted(services)
        self._pool = Default()
        self._open: dict[Call, None] = {}

    def stream(self, call: Call) -> None:
        """Answer each question in turn, until the client has no more."""

        def answer(message: bytes | None) -> None:
            self._open.pop(call, None)
            if message is None:
                call.finish()
                return
            request = ServerReflectionRequest.FromString(message)
            response = self._answer(request)
            response.valid_host = request.host
            response.original_request.CopyFrom(request)
            call.send(response.SerializeToString())
            wait()

        def wait() -> None:
            self._open[call] = None
            call.receive(answer)

        call.on_cancel = lambda: self._open.pop(call, None)
        wait()

    def go_away(self) -> None:
        """End every stream: each question asked is answered."""
        for call in self._open:
            call.finish()
        self._open.clear()

    def _answer(self, request: ServerReflectionRequest) -> ServerReflectionResponse:
        response = ServerReflectionResponse()
        question = request.WhichOneof("message_request")
        try:
            if question == "list_services":
                for name in self._services:
                    response.list_services_response.service.add(name=name)
            elif question == "file_by_filename":
                _describe(self._pool.FindFileByName(request.file_by_filename), response)
            elif question == "file_containing_symbol":
                _describe(self._pool.FindFileContainingSymbol(request.file_containing_symbol), response)
            else:
                _refuse(response, Code.UNIMPLEMENTED, "extensions are not described: proto3 has none")
        except KeyError:
            _refuse(response, Code.NOT_FOUND, f"nothing here is called {getattr(request, question or '')!r}")
        return response


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
