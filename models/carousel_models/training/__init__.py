"""From a recipe to a fitted model. Keras is imported when fitting begins, not before."""

from carousel_models.training.run import train

__all__ = ["train"]
