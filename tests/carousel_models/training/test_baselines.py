"""Baselines are fitted as well as a model is: on the training split, and chosen by the validation split."""

import numpy as np
import pytest

from carousel_models.data.examples import Examples, Splits
from carousel_models.training.baselines import PENALTIES, baselines_of

chance = np.random.default_rng(5)


def linear(count: int) -> Examples:
    """Make windows of three timesteps whose target is a linear function of all their numbers."""
    inputs = chance.standard_normal((count, 3, 2)).astype(np.float32)
    targets = np.stack([inputs[:, 0, 0] - 2 * inputs[:, 2, 1], 5 + inputs.sum(axis=(1, 2))], axis=1)
    return Examples(tuple(inputs), targets, np.arange(count), {"persistence": np.zeros((count, 2))})


def classes(count: int) -> Examples:
    """Make sequences of two to five timesteps whose class is told by their mean, two thirds of them of class 1."""
    targets = (np.arange(count) % 3 > 0).astype(np.int64)
    lengths = chance.integers(2, 6, count)
    inputs = [
        (chance.standard_normal((length, 2)) + 9 * target).astype(np.float32)
        for length, target in zip(lengths, targets, strict=True)
    ]
    return Examples(tuple(inputs), targets, np.arange(count))


def test_ridge_finds_what_is_linear_and_stands_beside_the_guesses():
    """Every number of the window is looked at, and several targets are forecast at once."""
    splits = Splits("forecast", ("a", "b"), linear(200), linear(40), linear(40))
    said = baselines_of(splits).said(splits.test)
    assert list(said) == ["persistence", "ridge regression"]
    np.testing.assert_allclose(said["ridge regression"], splits.test.targets, atol=1e-3)


def test_the_penalty_is_chosen_by_the_validation_split():
    """Where the training targets are noise, the strongest penalty is best, and says nearly their mean."""
    train, validation = linear(30), linear(100)
    noise = Examples(train.inputs, chance.standard_normal((30, 2)), train.at)
    flat = Examples(validation.inputs, np.tile(noise.targets.mean(axis=0), (100, 1)), validation.at)
    said = baselines_of(Splits("forecast", ("a", "b"), noise, flat, flat)).said(flat)["ridge regression"]
    assert PENALTIES[-1] == 1e5
    np.testing.assert_allclose(said, flat.targets, atol=1e-2)


def test_classes_are_told_apart_by_their_mean_timestep_or_by_the_majority():
    """Sequences need not be equally long."""
    splits = Splits("classify", ("0", "1"), classes(120), classes(30), classes(30))
    said = baselines_of(splits).said(splits.test)
    np.testing.assert_array_equal(said["the majority class"], np.ones(30))
    assert np.mean(said["logistic regression"] == splits.test.targets) == pytest.approx(1)
