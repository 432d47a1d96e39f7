"""Models that Keras 2 and tf_keras saved, built anew of Keras 3's layers with the meaning that they had."""

from carousel_models.export.keras_2.cudnn import convert_cudnn, cudnn_layers
from carousel_models.export.keras_2.old_model import rebuild

__all__ = ["convert_cudnn", "cudnn_layers", "rebuild"]
