"""Keras layers as the ONNX cell graph."""
