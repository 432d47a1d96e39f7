"""gRPC over grpcio's C core: one thread polls a completion queue, and everything else is a callback.

The layer under `grpc.server` and `grpc.aio` has no threads, futures or locks of its own, so a call costs a fraction of
theirs. It is not public API either: no other room imports it, `versions` names the range it was tested on, and the
contract tests hold every call used to account. Messages are bytes; this room knows no protos and no models.
"""

from carousel.transport.call import Call
from carousel.transport.certificates import check_certificates
from carousel.transport.credentials import TlsFiles, server_credentials
from carousel.transport.listener import Server, Streaming, Unary
from carousel.transport.patience import Patience
from carousel.transport.ports import Port, listen
from carousel.transport.status import MAX_DETAILS, MAX_MESSAGE, Code, Status
from carousel.transport.versions import untested

__all__ = [
    "MAX_DETAILS",
    "MAX_MESSAGE",
    "Call",
    "Code",
    "Patience",
    "Port",
    "Server",
    "Status",
    "Streaming",
    "TlsFiles",
    "Unary",
    "check_certificates",
    "listen",
    "server_credentials",
    "untested",
]
