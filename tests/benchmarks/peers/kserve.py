"""KServe's SDK, our cell graph on ONNX Runtime in a model of its own."""

from pathlib import Path

from tests.benchmarks.peers.environment import Environment
from tests.benchmarks.peers.peer import INSIDE, Launch, Peer, free_port, python_path
from tests.benchmarks.peers.workloads import STACK, WHOLE, cell_graph

_ENVIRONMENT = Environment(
    "kserve", ("kserve==0.21.0", "grpcio==1.85.3", "protobuf==6.33.6", "numpy==2.4.6", "onnxruntime==1.32.0")
)


def _launch(_folder: Path, port: int) -> Launch:
    models = (f"{STACK}=last_step={cell_graph(STACK)}", f"{WHOLE}=sequence={cell_graph(WHOLE)}")
    ports = (str(free_port()), str(port))
    return Launch((_ENVIRONMENT.python, str(INSIDE / "kserve_server.py"), *ports, *models), python_path())


PEERS = [
    Peer(
        name="KServe's SDK + ONNX Runtime",
        settings="workers = 1, no batching: the SDK has none",
        environment=_ENVIRONMENT,
        launch=_launch,
    )
]
