"""Versions on disk for the engines: exported once, used by every test."""

from pathlib import Path

import keras
import pytest
from keras import layers

from carousel_models.export import export


@keras.saving.register_keras_serializable("tests")
def cubed(x):
    """An activation that no library knows."""
    return x * x * x


@pytest.fixture(scope="session")
def repository(tmp_path_factory) -> Path:
    """The three models that teach, whole ones, one of tokens, and ones that only TensorFlow serves."""
    keras.utils.set_random_seed(7)
    sequences = {"return_sequences": True}
    models = {
        "lstm128": [layers.Input((100, 300)), layers.LSTM(128)],
        "stack": [layers.Input((5, 64)), layers.LSTM(128, return_sequences=True), layers.LSTM(256)],
        "relu50": [layers.Input((10, 1)), layers.LSTM(50, activation="relu"), layers.Dense(1)],
        "bidirectional": [layers.Input((None, 3)), layers.Bidirectional(layers.LSTM(4, return_sequences=True))],
        "flat": [layers.Input((6, 3)), layers.LSTM(4, return_sequences=True), layers.Flatten(), layers.Dense(2)],
        "longer": [layers.Input((None, 3)), layers.Conv1D(4, 3), layers.LSTM(4, **sequences), layers.UpSampling1D(3)],
        "tokens": [
            layers.Input((None,), dtype="int32"),
            layers.Embedding(50, 8, mask_zero=True),
            layers.LSTM(6, **sequences),
            layers.LSTM(4),
        ],
        "own": [layers.Input((None, 3)), layers.LSTM(4, activation=cubed), layers.Dense(2)],
        "own-whole": [layers.Input((None, 3)), layers.Bidirectional(layers.LSTM(4, activation=cubed))],
    }
    repository = tmp_path_factory.mktemp("repository")
    for name, stack in models.items():
        model = keras.Sequential(stack)
        export(model, repository, name)
        model.save(repository / name / "own.keras")
    return repository
