"""A server with KServe's SDK: `HTTP_PORT GRPC_PORT NAME=OUTPUT=GRAPH...`."""

import sys

import kserve
import numpy as np
from cell_graph import CellGraph
from kserve import InferOutput, InferResponse


class Model(kserve.Model):
    """A cell graph, [batch, timesteps, input_dim] at a time."""

    def __init__(self, name, output, graph):
        super().__init__(name)
        self._output, self._graph = output, CellGraph(graph)
        self.ready = True

    def predict(self, payload, headers=None, response_headers=None):
        """Answer a request."""
        del headers, response_headers
        [tensor] = payload.inputs
        inputs = tensor.as_numpy()
        states = np.zeros((len(inputs), self._graph.state_width), np.float32)
        outputs, _ = self._graph.step(np.ascontiguousarray(inputs.swapaxes(0, 1)), states)
        answer = outputs[-1] if self._output == "last_step" else np.ascontiguousarray(outputs.swapaxes(0, 1))
        output = InferOutput(self._output, list(answer.shape), "FP32")
        output.set_data_from_numpy(answer, binary_data=True)
        return InferResponse(response_id=payload.id or "0", model_name=self.name, infer_outputs=[output])


def main(http_port, grpc_port, *models):
    """Serve until the process is ended."""
    server = kserve.ModelServer(
        http_port=int(http_port), grpc_port=int(grpc_port), workers=1, enable_docs_url=False, access_log_format=None
    )
    server.start([Model(*model.split("=")) for model in models])


if __name__ == "__main__":
    main(*sys.argv[1:])
