"""carousel.v1: its messages read and written."""

from carousel.rpc.v1.inference import INFERENCE, Inference

__all__ = ["INFERENCE", "Inference"]
