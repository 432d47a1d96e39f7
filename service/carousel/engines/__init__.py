"""What runs a model: one contract, whoever does the arithmetic."""

from carousel.engines.loading import Choice, Engine, load_engine, reproduces

__all__ = ["Choice", "Engine", "load_engine", "reproduces"]
