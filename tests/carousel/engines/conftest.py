"""Versions on disk for the engines: exported once, used by every test."""

from pathlib import Path

import keras
import pytest
from keras import layers

from carousel_models.export import export


@pytest.fixture(scope="session")
def repository(tmp_path_factory) -> Path:
    """The three models that teach, one that rides whole, one in chunks on TensorFlow alone."""
    keras.utils.set_random_seed(7)
    models = {
        "lstm128": [layers.Input((100, 300)), layers.LSTM(128)],
        "stack": [layers.Input((5, 64)), layers.LSTM(128, return_sequences=True), layers.LSTM(256)],
        "relu50": [layers.Input((10, 1)), layers.LSTM(50, activation="relu"), layers.Dense(1)],
        "bidirectional": [layers.Input((None, 3)), layers.Bidirectional(layers.LSTM(4, return_sequences=True))],
        "flat": [layers.Input((6, 3)), layers.LSTM(4, return_sequences=True), layers.Flatten(), layers.Dense(2)],
        "gelu": [layers.Input((None, 3)), layers.LSTM(4, activation="gelu"), layers.Dense(2)],
    }
    repository = tmp_path_factory.mktemp("repository")
    for name, stack in models.items():
        model = keras.Sequential(stack)
        export(model, repository, name)
        model.save(repository / name / "own.keras")
    return repository
