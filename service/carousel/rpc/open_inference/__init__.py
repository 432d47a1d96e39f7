"""The Open Inference Protocol with Triton's extensions: the clients people already have, on the same data plane."""

from carousel.rpc.open_inference.control import Repository
from carousel.rpc.open_inference.service import SERVICE, OpenInference

__all__ = ["SERVICE", "OpenInference", "Repository"]
