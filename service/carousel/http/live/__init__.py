"""Live sequences over WebSocket, for what speaks no gRPC: one connection is one sequence, JSON goes both ways."""

from carousel.http.live.routes import Live

__all__ = ["Live"]
