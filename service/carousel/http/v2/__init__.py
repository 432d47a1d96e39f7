"""The Open Inference Protocol over HTTP, with Triton's binary tensors: its documents read and written."""

from carousel.http.v2.routes import OpenInference

__all__ = ["OpenInference"]
