"""A server written by hand on grpcio's threads that calls Keras' `model.predict`."""

from pathlib import Path

from tests.benchmarks.peers.environment import Environment
from tests.benchmarks.peers.peer import INSIDE, Launch, Peer, python_path
from tests.benchmarks.peers.workloads import STACK, WHOLE, keras_file

_ENVIRONMENT = Environment(
    "model-predict", ("grpcio==1.85.1", "protobuf==6.33.6", "numpy==2.3.5", "keras==3.15.1", "tensorflow==2.21.0")
)


def _launch(_folder: Path, port: int) -> Launch:
    models = (f"{STACK}=last_step={keras_file(STACK)}", f"{WHOLE}=sequence={keras_file(WHOLE)}")
    variables = python_path() | {"KERAS_BACKEND": "tensorflow"}
    return Launch((_ENVIRONMENT.python, str(INSIDE / "model_predict_server.py"), str(port), *models), variables)


PEERS = [
    Peer(
        name="grpcio + model.predict",
        settings="16 threads, one prediction at a time, nothing batched: measured with one in flight alone",
        environment=_ENVIRONMENT,
        launch=_launch,
        max_in_flight=1,
    )
]
