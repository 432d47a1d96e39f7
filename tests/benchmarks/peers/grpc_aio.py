"""A server written by hand on grpc.aio, our cell graph on ONNX Runtime, what waits batched."""

from pathlib import Path

from tests.benchmarks.peers.environment import Environment
from tests.benchmarks.peers.peer import INSIDE, Launch, Peer, python_path
from tests.benchmarks.peers.workloads import STACK, WHOLE, cell_graph

_ENVIRONMENT = Environment(
    "grpc-aio",
    ("grpcio==1.85.1", "protobuf==6.33.6", "uvloop==0.22.1", "numpy==2.3.5", "onnxruntime==1.32.0"),
)


def _launch(_folder: Path, port: int) -> Launch:
    models = (f"{STACK}=last_step={cell_graph(STACK)}", f"{WHOLE}=sequence={cell_graph(WHOLE)}")
    return Launch((_ENVIRONMENT.python, str(INSIDE / "grpc_aio_server.py"), str(port), *models), python_path())


PEERS = [
    Peer(
        name="grpc.aio + ONNX Runtime",
        settings=("uvloop, one engine thread a model, which runs up to 64 of those that wait, unpadded"),
        environment=_ENVIRONMENT,
        launch=_launch,
    )
]
