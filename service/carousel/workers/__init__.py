"""Several server processes on one port, and the process that supervises them."""

from carousel.workers.supervisor import Workers

__all__ = ["Workers"]
