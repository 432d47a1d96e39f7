"""What runs a model: one contract, whoever does the arithmetic."""

from carousel.engines.contract import Engine
from carousel.engines.invariance import check_invariance
from carousel.engines.loading import ENGINES, Choice, load_engine
from carousel.engines.onnx import OnnxEngine
from carousel.engines.profile import profile
from carousel.engines.reproduction import reproduces
from carousel.engines.tensorflow import TensorFlowEngine

__all__ = [
    "ENGINES",
    "Choice",
    "Engine",
    "OnnxEngine",
    "TensorFlowEngine",
    "check_invariance",
    "load_engine",
    "profile",
    "reproduces",
]
