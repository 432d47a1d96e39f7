"""What is loaded can be served, or is rejected by a sentence that says why."""

import keras
from keras import layers

from carousel.serving.version import load_version
from carousel_models.export import export


def test_a_whole_model_that_cannot_take_one_timestep_is_measured_at_lengths_it_takes(tmp_path):
    """A convolution without padding and a pooling after it need six."""
    stack = [layers.Input((None, 3)), layers.Conv1D(4, 5), layers.MaxPooling1D(2), layers.LSTM(3)]
    version = load_version(export(keras.Sequential(stack), tmp_path, "short"))
    assert (version.engine.name, version.signature.min_timesteps, version.batch_invariant) == ("onnx", 6, True)
