"""Keras models as ONNX cell graphs: one function for each layer, one graph for each model, in chunks or whole."""

from carousel_models.lowering.cell_graph import CellGraph, input_dtype, lower
from carousel_models.lowering.keras_steps import KerasSteps, keras_whole
from carousel_models.lowering.walk import walk

__all__ = ["CellGraph", "KerasSteps", "input_dtype", "keras_whole", "lower", "walk"]
