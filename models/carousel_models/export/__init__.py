"""A Keras model becomes a version in a repository."""

from carousel_models.export.custom_objects import import_custom_objects
from carousel_models.export.exporter import export, read
from carousel_models.export.packing import packed

__all__ = ["export", "import_custom_objects", "packed", "read"]
