"""A model of Triton's Python backend: a SavedModel on TensorFlow, whole sequences."""

import json
import os
import sys

sys.path[:0] = os.environ["MODEL_PATH"].split(os.pathsep)

# ruff: noqa: E402 - nothing of these can be found before
import numpy as np
import tensorflow as tf
import triton_python_backend_utils as triton


class TritonPythonModel:
    """The name that the backend asks for."""

    def initialize(self, args):
        """Read the model's configuration, and load its SavedModel."""
        config = json.loads(args["model_config"])
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        self._model = tf.saved_model.load(config["parameters"]["saved_model"]["string_value"])
        self._run = self._model.signatures["serving_default"]
        self._output = config["output"][0]["name"]

    def execute(self, requests):
        """Answer a batch of requests, of one sequence each: those of one length together."""
        inputs = [triton.get_input_tensor_by_name(request, "inputs").as_numpy() for request in requests]
        lengths = {}
        for i, each in enumerate(inputs):
            lengths.setdefault(each.shape[1], []).append(i)
        answers = [None] * len(requests)
        for rows in lengths.values():
            joined = tf.constant(np.concatenate([inputs[i] for i in rows]))
            output = self._run(inputs=joined)[self._output].numpy()
            for row, i in enumerate(rows):
                tensor = triton.Tensor(self._output, output[row : row + 1])
                answers[i] = triton.InferenceResponse(output_tensors=[tensor])
        return answers
