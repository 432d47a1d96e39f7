"""Triton, our cell graph on ONNX Runtime in its Python backend: one instance of each model, and two.

nvidia-pytriton from PyPI brings Triton's own server (2.51). Its Python backend needs Debian's python3 and NumPy 1 (with
NumPy 2 its outputs come out empty), and Triton has no ONNX Runtime backend outside its container images.
"""

import os
import shutil
from pathlib import Path

from tests.benchmarks.peers.environment import DEBIAN, Environment
from tests.benchmarks.peers.peer import INSIDE, Launch, Peer
from tests.benchmarks.peers.workloads import LIVE, STACK, WHOLE, cell_graph

_ENVIRONMENT = Environment(
    "triton", ("nvidia-pytriton==0.7.0", "numpy==1.26.4", "onnxruntime==1.32.0"), interpreter=DEBIAN
)

MAX_BATCH = 64

BATCHING = "dynamic_batching { max_queue_delay_microseconds: 0 }"
_SEQUENCES = f"""sequence_batching {{
  oldest {{ max_candidate_sequences: {MAX_BATCH} max_queue_delay_microseconds: 0 }}
  max_sequence_idle_microseconds: 60000000
  control_input [
    {{ name: "START" control [ {{ kind: CONTROL_SEQUENCE_START fp32_false_true: [0, 1] }} ] }},
    {{ name: "CORRID" control [ {{ kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_UINT64 }} ] }}
  ]
}}"""

_MODELS = {STACK: ("last_step", 64, "256"), WHOLE: ("sequence", 300, "-1, 128"), LIVE: ("last_step", 64, "256")}
"""Output, input_dim, dims of the output, by the model's name."""


def config(name: str, instances: int, parameters: dict[str, str], batching: str) -> str:
    """Write a model's config.pbtxt."""
    output, input_dim, dims = _MODELS[name]
    given = "".join(f'parameters {{ key: "{k}" value {{ string_value: "{v}" }} }}\n' for k, v in parameters.items())
    ragged = "true" if batching is BATCHING else "false"
    return f"""name: "{name}"
backend: "python"
max_batch_size: {MAX_BATCH}
input [ {{ name: "inputs" data_type: TYPE_FP32 dims: [-1, {input_dim}] allow_ragged_batch: {ragged} }} ]
output [ {{ name: "{output}" data_type: TYPE_FP32 dims: [{dims}] }} ]
instance_group [ {{ kind: KIND_CPU count: {instances} }} ]
{batching}
{given}"""


def environment_for(packages: Environment) -> dict[str, str]:
    """Tell the model where its packages lie: the backend starts a Python that heeds no PYTHONPATH."""
    return {"MODEL_PATH": os.pathsep.join((str(packages.site_packages), str(INSIDE)))}


def lay_stub(packages: Environment) -> None:
    """Lay the stub of Debian's Python beside the backend."""
    triton = packages.site_packages / "pytriton" / "tritonserver"
    stub = triton / "python_backend_stubs" / "3.11" / "triton_python_backend_stub"
    beside = triton / "backends" / "python" / stub.name
    if not beside.exists():
        shutil.copy(stub, beside)


def command(packages: Environment, repository: Path, port: int) -> tuple[str, ...]:
    """Give Triton's command: gRPC alone, no metrics, no configuration of its own guess.

    It waits longer for a model's Python than its default of 30 s: TensorFlow takes that to import on a busy machine.
    """
    triton = packages.site_packages / "pytriton" / "tritonserver"
    return (
        *(str(triton / "bin" / "tritonserver"), "--model-repository", str(repository)),
        *("--backend-directory", str(triton / "backends"), "--disable-auto-complete-config"),
        *("--exit-timeout-secs", "3", "--backend-config=python,stub-timeout-seconds=300"),
        *("--grpc-address", "127.0.0.1", "--grpc-port", str(port), "--allow-http", "false", "--allow-metrics", "false"),
    )


def _peer(instances: int) -> Peer:
    def launch(folder: Path, port: int) -> Launch:
        repository = folder / "models"
        for name in _MODELS:
            model = repository / name
            (model / "1").mkdir(parents=True, exist_ok=True)
            shutil.copy(INSIDE / "triton_model.py", model / "1" / "model.py")
            batching = _SEQUENCES if name == LIVE else BATCHING
            text = config(name, instances, {"graph": str(cell_graph(name))}, batching)
            (model / "config.pbtxt").write_text(text)
        return Launch(command(_ENVIRONMENT, repository, port), environment_for(_ENVIRONMENT))

    return Peer(
        name=f"Triton + ONNX Runtime, {instances} instance{'s' * (instances > 1)}",
        settings=(
            f"Python backend, instances of each model = {instances}, "
            f"max_batch_size = {MAX_BATCH}, dynamic batching with delay 0, allow_ragged_batch (a batch of unlike "
            "lengths runs unpadded); live: sequence batching, oldest, states kept in the instance; no HTTP, no metrics"
        ),
        environment=_ENVIRONMENT,
        prepare=lambda: lay_stub(_ENVIRONMENT),
        launch=launch,
        workloads=("A", "B", "C", "live"),
    )


PEERS = [_peer(1), _peer(2)]
