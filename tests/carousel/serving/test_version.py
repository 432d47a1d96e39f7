"""What is loaded can be served, or is rejected by a sentence that says why."""

import keras
import pytest
from keras import layers

from carousel.errors import ModelRejected
from carousel.serving.version import load_version
from carousel_models.export import export


def test_a_model_of_tokens_is_rejected_by_name(tmp_path):
    """It is exported and its engine runs it, but no protocol reads tokens yet."""
    stack = [layers.Input((None,), dtype="int32"), layers.Embedding(9, 2), layers.LSTM(3)]
    folder = export(keras.Sequential(stack), tmp_path, "tokens")
    with pytest.raises(ModelRejected, match=r"takes tokens, inputs int32 \[\?, \?\], and no protocol here reads them"):
        load_version(folder)


def test_a_whole_model_that_cannot_take_one_timestep_is_measured_at_lengths_it_takes(tmp_path):
    """A convolution without padding and a pooling after it need six."""
    stack = [layers.Input((None, 3)), layers.Conv1D(4, 5), layers.MaxPooling1D(2), layers.LSTM(3)]
    version = load_version(export(keras.Sequential(stack), tmp_path, "short"))
    assert (version.engine.name, version.signature.min_timesteps, version.batch_invariant) == ("onnx", 6, True)
