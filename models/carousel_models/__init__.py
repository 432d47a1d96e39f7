"""Trains stacked Keras LSTMs and exports them as versions that Carousel serves."""

import os

__all__ = ["export", "lowering", "recipe", "training"]

# Before TensorFlow is imported: its C++ side greets everybody on stderr. Who wants to hear it sets the variable.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
