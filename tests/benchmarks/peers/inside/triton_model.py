"""A model of Triton's Python backend: a cell graph, whole sequences or live ones."""

import json
import os
import sys

sys.path[:0] = os.environ["MODEL_PATH"].split(os.pathsep)

# ruff: noqa: E402 - nothing of these can be found before
import numpy as np
import triton_python_backend_utils as triton
from cell_graph import CellGraph


class TritonPythonModel:
    """The name that the backend asks for."""

    def initialize(self, args):
        """Read the model's configuration, and load its graph."""
        config = json.loads(args["model_config"])
        self._graph = CellGraph(config["parameters"]["graph"]["string_value"])
        self._output = config["output"][0]["name"]
        self._live = "sequence_batching" in config
        self._states = {}

    def execute(self, requests):
        """Answer a batch of requests, of one sequence each."""
        inputs = [triton.get_input_tensor_by_name(request, "inputs").as_numpy()[0] for request in requests]
        outputs = self._advance(requests, inputs) if self._live else self._graph.run(inputs)
        if self._output == "last_step":
            outputs = [output[-1] for output in outputs]
        answers = (triton.Tensor(self._output, np.ascontiguousarray(output[None])) for output in outputs)
        return [triton.InferenceResponse(output_tensors=[answer]) for answer in answers]

    def _advance(self, requests, inputs):
        """Feed live sequences one timestep each."""
        keys = [int(triton.get_input_tensor_by_name(r, "CORRID").as_numpy().ravel()[0]) for r in requests]
        zeros = np.zeros(self._graph.state_width, np.float32)
        starts = [triton.get_input_tensor_by_name(r, "START").as_numpy().ravel()[0] for r in requests]
        states = np.stack([zeros if start else self._states[key] for key, start in zip(keys, starts, strict=True)])
        outputs, states = self._graph.step(np.stack(inputs, 1), states)
        self._states.update(zip(keys, states, strict=True))
        return [outputs[:, row] for row in range(len(requests))]
