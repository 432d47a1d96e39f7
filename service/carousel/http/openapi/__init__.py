"""What is served over HTTP, as an OpenAPI document that is served too: every path, what it takes, what it answers."""

from carousel.http.openapi.document import OpenApi, document

__all__ = ["OpenApi", "document"]
