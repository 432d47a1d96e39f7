"""A SavedModel that somebody else exported becomes a Keras model again, proven against the SavedModel itself."""

from carousel_models.export.saved_model.reading import read_saved_model

__all__ = ["read_saved_model"]
