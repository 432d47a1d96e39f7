"""Whose a request is, for fair shares."""

from starlette.requests import HTTPConnection

from carousel.http.doors import CLIENT

_MAX_NAME = 256  # characters


def client_of(header: str | None, request: HTTPConnection) -> str:
    """Name the client of a request: by the header of this name, or else by its token or address, as over gRPC."""
    named = request.headers.get(header) if header else request.scope.get(CLIENT)
    if named:
        return str(named)[:_MAX_NAME]
    if request.client is None:
        return ""
    host = request.client.host
    return f"ipv6:[{host}]" if ":" in host else f"ipv4:{host}"
