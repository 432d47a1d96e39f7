"""What is loaded can be served, or is rejected by a sentence that says why."""

import keras
import pytest
from keras import layers

from carousel.serving import version as version_module
from carousel.serving.version import load_version
from carousel_models.export import export


def test_a_whole_model_that_cannot_take_one_timestep_is_measured_at_lengths_it_takes(tmp_path):
    """A convolution without padding and a pooling after it need six."""
    stack = [layers.Input((None, 3)), layers.Conv1D(4, 5), layers.MaxPooling1D(2), layers.LSTM(3)]
    version = load_version(export(keras.Sequential(stack), tmp_path, "short"))
    assert (version.engine.name, version.signature.min_timesteps, version.batch_invariant) == ("onnx", 6, True)


@pytest.mark.parametrize("stepwise", [True, False])
def test_tensorflow_runs_each_row_by_itself_and_offers_states_only_where_chunks_give_equal_bits(
    tmp_path, monkeypatch, stepwise
):
    """No answer depends on its batch there either; where cuts change bits, the model is served whole."""
    check = version_module.check_invariance
    monkeypatch.setattr(
        version_module,
        "check_invariance",
        lambda engine, signature, width: check(engine, signature, width) and (stepwise or not engine.chunkable),
    )
    stack = [layers.Input((None, 3)), layers.LSTM(3, return_sequences=True), layers.Dense(2)]
    version = load_version(export(keras.Sequential(stack), tmp_path, "rows"), "tensorflow")
    assert (version.engine.name, version.batch_invariant) == ("tensorflow", True)
    assert (bool(version.states), version.engine.chunkable) == (stepwise, stepwise)
