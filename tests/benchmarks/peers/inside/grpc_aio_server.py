"""A server as one writes it on grpc.aio, tuned: `PORT NAME=OUTPUT=GRAPH...`; uvloop, batches on a thread beside."""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
import uvloop
from cell_graph import CellGraph
from open_inference import read, write

MAX_BATCH = 64


class Model:
    """Runs what waits, as many as wait, on a thread of its own while more arrive."""

    def __init__(self, output, graph):
        self.output = output
        self._graph = CellGraph(graph)
        self._thread = ThreadPoolExecutor(1)
        self._waiting = []
        self._runs = None

    async def run(self, inputs):
        """Return the output of one sequence."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((inputs, done))
        if self._runs is None:
            self._runs = asyncio.create_task(self._turn())
        output = await done
        return output[-1] if self.output == "last_step" else output

    async def _turn(self):
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
            outputs = await loop.run_in_executor(self._thread, self._graph.run, [inputs for inputs, _ in batch])
            for (_, done), output in zip(batch, outputs, strict=True):
                if not done.done():
                    done.set_result(output)
        self._runs = None


class Service(grpc.GenericRpcHandler):
    """ModelInfer, and nothing else."""

    def __init__(self, models):
        self._models = models

    def service(self, _details):
        """Answer whatever is called."""
        return grpc.unary_unary_rpc_method_handler(self._infer)

    async def _infer(self, message, _context):
        name, inputs = read(message)
        model = self._models[name]
        return write(name, model.output, await model.run(inputs))


async def main(port, *models):
    """Serve until the process is ended."""
    split = [model.split("=") for model in models]
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Service({name: Model(output, graph) for name, output, graph in split}),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
