"""Triton, the same SavedModels on TensorFlow in its Python backend: it has no TensorFlow backend outside its images."""

import shutil
from pathlib import Path

from tests.benchmarks.peers.environment import DEBIAN, Environment
from tests.benchmarks.peers.peer import INSIDE, Launch, Peer
from tests.benchmarks.peers.triton import BATCHING, MAX_BATCH, command, config, environment_for, lay_stub
from tests.benchmarks.peers.workloads import STACK, WHOLE, models

_ENVIRONMENT = Environment(
    "triton-tensorflow", ("nvidia-pytriton==0.7.0", "numpy==1.26.4", "tensorflow==2.21.0"), interpreter=DEBIAN
)


def _launch(folder: Path, port: int) -> Launch:
    repository = folder / "models"
    for name in (STACK, WHOLE):
        (repository / name / "1").mkdir(parents=True, exist_ok=True)
        shutil.copy(INSIDE / "triton_tensorflow_model.py", repository / name / "1" / "model.py")
        text = config(name, 1, {"saved_model": str(models()[name])}, BATCHING)
        (repository / name / "config.pbtxt").write_text(text)
    return Launch(command(_ENVIRONMENT, repository, port), environment_for(_ENVIRONMENT))


PEERS = [
    Peer(
        name="Triton + TensorFlow",
        settings=(
            f"Python backend, one instance of each model, "
            f"max_batch_size = {MAX_BATCH}, dynamic batching with delay 0; those of one length in a batch run "
            "together; one thread an operation; no HTTP, no metrics"
        ),
        environment=_ENVIRONMENT,
        prepare=lambda: lay_stub(_ENVIRONMENT),
        launch=_launch,
    )
]
