"""MLServer, our cell graph on ONNX Runtime in a runtime of its own; adaptive batching off, and on."""

import json
from pathlib import Path

from tests.benchmarks.peers.environment import Environment
from tests.benchmarks.peers.peer import Launch, Peer, free_port, python_path
from tests.benchmarks.peers.workloads import STACK, WHOLE, cell_graph

# Its own range lets in a newer uvloop, with which it does not start.
_ENVIRONMENT = Environment(
    "mlserver",
    ("mlserver==1.7.1", "uvloop==0.21.0", "grpcio==1.85.3", "protobuf==6.33.6", "numpy==2.4.6", "onnxruntime==1.32.0"),
)
_OUTPUTS = {STACK: "last_step", WHOLE: "sequence"}
_BATCHING = {"max_batch_size": 64, "max_batch_time": 0.001}


def _peer(batching: dict[str, float], said: str) -> Peer:
    def launch(folder: Path, port: int) -> Launch:
        settings = {"host": "127.0.0.1", "grpc_port": port, "http_port": free_port(), "metrics_port": free_port()}
        settings |= {"parallel_workers": 0, "debug": False}
        (folder / "settings.json").write_text(json.dumps(settings))
        for name, output in _OUTPUTS.items():
            model = {"name": name, "implementation": "mlserver_model.Runtime", **batching}
            model["parameters"] = {"extra": {"graph": str(cell_graph(name)), "output": output}}
            (folder / name).mkdir(exist_ok=True)
            (folder / name / "model-settings.json").write_text(json.dumps(model))
        return Launch((str(_ENVIRONMENT.folder / "bin" / "mlserver"), "start", str(folder)), python_path())

    return Peer(
        name=f"MLServer + ONNX Runtime, adaptive batching {'on' if batching else 'off'}",
        settings=f"parallel_workers = 0 (in its own process); {said}",
        environment=_ENVIRONMENT,
        launch=launch,
    )


PEERS = [_peer({}, "no batching"), _peer(_BATCHING, "max_batch_size = 64, max_batch_time = 0.001")]
