"""The Open Inference Protocol's ModelInfer, for servers written by hand: a message read, a message written."""

import numpy as np

from carousel.stubs.oip.open_inference_pb2 import ModelInferRequest, ModelInferResponse


def read(message):
    """Return the model's name and its one input, float32 [timesteps, input_dim]."""
    request = ModelInferRequest.FromString(message)
    [tensor], [content] = request.inputs, request.raw_input_contents
    return request.model_name, np.frombuffer(content, np.float32).reshape(tensor.shape)[0]


def write(model, name, output):
    """Write the answer of one sequence."""
    response = ModelInferResponse(model_name=model)
    response.outputs.add(name=name, datatype="FP32", shape=(1, *output.shape))
    response.raw_output_contents.append(output.tobytes())
    return response.SerializeToString()
