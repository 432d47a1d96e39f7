"""The house put together: settings in, a running server, an orderly end."""

from carousel.server.leaving import leave
from carousel.server.server import Server, Shared

__all__ = ["Server", "Shared", "leave"]
