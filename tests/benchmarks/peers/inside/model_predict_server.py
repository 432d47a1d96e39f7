"""The server of a first afternoon: `PORT NAME=OUTPUT=KERAS_FILE...`, grpcio's own threads and `model.predict`."""

import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import grpc
import keras
from open_inference import read, write


class Service(grpc.GenericRpcHandler):
    """ModelInfer, and nothing else; one prediction at a time, as Keras' models ask for."""

    def __init__(self, models):
        self._models = models
        self._lock = Lock()

    def service(self, _details):
        """Answer whatever is called."""
        return grpc.unary_unary_rpc_method_handler(self._infer)

    def _infer(self, message, _context):
        name, inputs = read(message)
        output, model = self._models[name]
        with self._lock:
            [answer] = model.predict(inputs[None], verbose=0)
        return write(name, output, answer)


def load(output, path):
    """Load a stack of LSTMs; have it give every step where that is wanted."""
    model = keras.saving.load_model(path, compile=False)
    if output == "last_step":
        return model
    layers = [type(layer).from_config({**layer.get_config(), "return_sequences": True}) for layer in model.layers]
    every = keras.Sequential([keras.Input(model.input_shape[1:]), *layers])
    every.set_weights(model.get_weights())
    return every


def main(port, *models):
    """Serve until the process is ended."""
    split = [model.split("=") for model in models]
    server = grpc.server(ThreadPoolExecutor(16))
    server.add_generic_rpc_handlers((Service({name: (output, load(output, path)) for name, output, path in split}),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main(*sys.argv[1:])
