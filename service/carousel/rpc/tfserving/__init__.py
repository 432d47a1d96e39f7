"""TensorFlow Serving's gRPC API: its messages read and written."""

from carousel.rpc.tfserving.model_service import MODEL, ModelService
from carousel.rpc.tfserving.prediction_service import PREDICTION, PredictionService
from carousel.rpc.tfserving.warming import Warming

__all__ = ["MODEL", "PREDICTION", "ModelService", "PredictionService", "Warming"]
