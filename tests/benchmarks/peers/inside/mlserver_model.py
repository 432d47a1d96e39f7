"""A runtime of MLServer: a cell graph, [batch, timesteps, input_dim] at a time."""

import numpy as np
from cell_graph import CellGraph
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse


class Runtime(MLModel):
    """The class that the settings of a model name."""

    async def load(self):
        """Load the graph that the model's settings name."""
        extra = self.settings.parameters.extra
        self._graph, self._output = CellGraph(extra["graph"]), extra["output"]
        return True

    async def predict(self, payload):
        """Answer a request, or several that MLServer has joined."""
        [tensor] = payload.inputs
        inputs = NumpyCodec.decode_input(tensor)
        states = np.zeros((len(inputs), self._graph.state_width), np.float32)
        outputs, _ = self._graph.step(np.ascontiguousarray(inputs.swapaxes(0, 1)), states)
        answer = outputs[-1] if self._output == "last_step" else np.ascontiguousarray(outputs.swapaxes(0, 1))
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output(self._output, answer)])
