"""HTTP, on a thread of its own: probes, metrics, and the protocols that are spoken over it. It speaks to the neck."""

from carousel.http.connection import Bounds
from carousel.http.endpoint import Endpoint
from carousel.http.site import Options, site

__all__ = ["Bounds", "Endpoint", "Options", "site"]
