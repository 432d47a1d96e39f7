"""A Keras model becomes a version in a repository."""

from carousel_models.export.exporter import export

__all__ = ["export"]
