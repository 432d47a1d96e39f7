"""From a recipe to a fitted model, or to a better recipe. Keras is imported when fitting begins, not before."""

from carousel_models.training.run import train
from carousel_models.training.tuning import tune

__all__ = ["train", "tune"]
