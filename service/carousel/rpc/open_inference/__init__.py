"""The Open Inference Protocol with Triton's extensions: its messages read and written."""

from carousel.rpc.open_inference.grpc_inference import OPEN_INFERENCE, OpenInference

__all__ = ["OPEN_INFERENCE", "OpenInference"]
