"""The shipped images, built from the shipped files and run as they are deployed."""

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Iterator

import grpc
import pytest
import yaml
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from carousel.artifact import FOLDER, GOLDEN, Golden, disagreement, read_golden, read_manifest, read_signature
from carousel.client import Client
from carousel.client.messages import predict_request
from carousel.engines import load_engine
from carousel.stubs.v1.inference_pb2_grpc import InferenceServiceStub
from tests.carousel.serving.test_foreign import ARCHIVES, unpacked
from tests.deploy.overlays import one
from tests.deploy.podman import BASE, Podman, run
from tests.deploy.tools import ROOT

# Packages and wheels are fetched, and images of gigabytes written.
pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]

USER = 10001
VERSION = importlib.metadata.version("lstm-carousel")
NAMES = "import importlib.metadata as m; print(*{f'{d.name}=={d.version}' for d in m.distributions()})"


@pytest.fixture(scope="module")
def podman(tmp_path_factory) -> Iterator[Podman]:
    podman = Podman(tmp_path_factory.mktemp("podman"))
    try:
        podman.bring_base()
        podman.bring_wheels()
        yield podman
    finally:
        podman.end()


@pytest.fixture(scope="module")
def serving(podman) -> str:
    return podman.build("localhost/carousel", "Containerfile")


def _golden(repository) -> Golden:
    return read_golden(repository / "lstm/1" / FOLDER / GOLDEN)[0]


def _answers(address: str, golden: Golden) -> None:
    """Wait until the server is healthy, and ask what the model answered when it was exported."""
    with Client(address) as client:
        client.wait_until_serving(60)
        [answer] = client.predict("lstm", [golden.inputs])
    assert disagreement(answer.output, golden.last_step) == ""


def _identity(podman: Podman, container: str) -> tuple[int, int, int]:
    """The user, the group and the capabilities of the server's process."""
    status = podman("exec", container, "cat", "/proc/1/status")
    of = dict(line.split(":\t") for line in status.splitlines())
    return int(of["Uid"].split()[0]), int(of["Gid"].split()[0]), int(of["CapEff"], 16)


def _drains(podman: Podman, container: str, address: str, grace: int, golden: Golden) -> None:
    """Stop a container: it says so while it still answers, and ends by itself in its period of grace."""
    with grpc.insecure_channel(address) as channel:
        health = HealthStub(channel).Watch(HealthCheckRequest(), timeout=60)
        assert next(health).status == HealthCheckResponse.SERVING
        stopping = podman.start("stop", f"--time={grace}", container)
        assert next(health).status == HealthCheckResponse.NOT_SERVING
        request = predict_request("lstm", [golden.inputs], 0, False, False, ())
        assert InferenceServiceStub(channel).Predict(request, timeout=60).predictions
    assert stopping.wait() == 0
    assert podman("inspect", "--format", "{{.State.ExitCode}}", container) == "0\n"


def test_the_build_sees_what_it_builds_from_and_nothing_else(podman):
    """No environment, no model, no history and no leftover of this folder gets into a build."""
    built = podman.build("localhost/built", "Containerfile", ROOT, "--target=built")
    found = podman("run", "--rm", "--workdir=/source", built, "find", ".", "-type", "f", "-printf", "%P\n")
    ours = ("LICENSE", "README.md", "constraints.txt", "pyproject.toml", "models/carousel_models", "service")
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *ours, cwd=ROOT)
    assert set(found.split()) == set(listed.split())


def test_the_serving_image_holds_what_serving_needs_and_nothing_else(podman, serving, capsys):
    """Over its base it has one folder: carousel and pinned packages, without TensorFlow, Keras or pip."""
    changed = {line.split()[1] for line in podman("image", "diff", serving, BASE).splitlines()}
    assert {path for path in changed if not path.startswith("/opt/carousel")} == {"/opt"}
    said = podman("run", "--rm", "--entrypoint=python", serving, "-c", NAMES)
    installed = set(said.lower().replace("_", "-").split())
    pinned = (ROOT / "constraints.txt").read_text()
    assert {package for package in installed if f"{package} \\\n" not in pinned} == {f"lstm-carousel=={VERSION}"}
    assert not {package.split("==")[0] for package in installed} & {"tensorflow", "keras", "onnx", "pip", "uv"}
    size, base = (int(podman("image", "inspect", "--format", "{{.Size}}", image)) for image in (serving, BASE))
    with capsys.disabled():
        sys.stdout.write(f"\n{serving}: {(size - base) / 1e6:.0f} MB over a base of {base / 1e6:.0f} MB\n")


def test_the_serving_image_serves_a_read_only_mount_without_root(podman, serving, repository):
    """Nobody but 10001, no capability, nothing to write but /tmp: it answers, drains on SIGTERM, and ends with 0."""
    confined = ("--read-only", "--read-only-tmpfs=false", "--tmpfs=/tmp", "--cap-drop=all")
    mount = f"--volume={repository}:/models:ro"
    container = podman("run", "--detach", *confined, mount, serving).strip()
    address, golden = podman.address(container), _golden(repository)
    _answers(address, golden)
    assert _identity(podman, container) == (USER, USER, 0)
    _drains(podman, container, address, 35, golden)


def test_the_image_with_tensorflow_serves_what_was_made_elsewhere(podman, repository, tmp_path, capsys):
    """Beside a cell graph a SavedModel of others, under its own names, from a read-only mount without root."""
    image = podman.build("localhost/carousel-tensorflow", "Containerfile.tensorflow", ROOT, "--layers=false")
    installed = podman("run", "--rm", "--entrypoint=python", image, "-c", NAMES).lower()
    assert "tensorflow==" in installed
    assert not {"pandas", "matplotlib", "pip", "uv"} & {package.split("==")[0] for package in installed.split()}
    shutil.copytree(repository, tmp_path / "models", symlinks=False)
    (archive,) = (each for each in ARCHIVES if each.stem == "store_sales")
    _, inputs, outputs = unpacked(archive, tmp_path / "models")
    confined = ("--read-only", "--read-only-tmpfs=false", "--tmpfs=/tmp", "--cap-drop=all")
    container = podman("run", "--detach", *confined, f"--volume={tmp_path}/models:/models:ro", image).strip()
    address, golden = podman.address(container), _golden(repository)
    _answers(address, golden)
    with Client(address) as client:
        [answer] = client.predict("store_sales", [{name: tensor[0] for name, tensor in inputs.items()}])
        engines = {model.name: model.engine for model in client.list_models()}
    assert engines == {"lstm": "onnx", "store_sales": "tensorflow"}
    assert {name: disagreement(answer.outputs[name], outputs[name][0]) for name in outputs} == dict.fromkeys(
        outputs, ""
    )
    assert _identity(podman, container) == (USER, USER, 0)
    _drains(podman, container, address, 35, golden)
    size, base = (int(podman("image", "inspect", "--format", "{{.Size}}", each)) for each in (image, BASE))
    with capsys.disabled():
        sys.stdout.write(f"\n{image}: {(size - base) / 1e6:.0f} MB over a base of {base / 1e6:.0f} MB\n")


def test_the_deployment_serves_the_models_of_an_image(podman, repository, tmp_path):
    """The pod of overlays/local, with its limits and its user, copies the models, serves them, and drains."""
    deployment = one("local", "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    [server], [models] = pod["containers"], pod["initContainers"]
    podman.build(server["image"], "Containerfile")
    podman.build(models["image"], "Containerfile.models", repository)
    del server["ports"]  # podman would publish them on this machine
    pod["restartPolicy"] = "Never"  # podman 4.3 restarts init containers as well, and never comes to the server
    (tmp_path / "deployment.yaml").write_text(yaml.safe_dump(deployment))
    podman("kube", "play", tmp_path / "deployment.yaml")
    played = podman("pod", "ps", "--quiet").strip()
    container = podman("ps", "--quiet", "--filter", f"ancestor={server['image']}").strip()
    limits = podman("inspect", "--format", "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.Memory}}", container)
    assert limits == f"true {2 << 30}\n"
    assert _identity(podman, container) == (USER, USER, 0)
    infra = podman("pod", "inspect", "--format", "{{.InfraContainerID}}", played).strip()
    address, golden = podman.address(infra), _golden(repository)
    _answers(address, golden)
    _drains(podman, container, address, pod["terminationGracePeriodSeconds"], golden)


def test_the_training_image_trains_and_exports_without_root(podman, tmp_path):
    """A shipped recipe becomes a version that serves, written to a mounted folder by 10001 with a read-only root."""
    # Layers that are kept for a next build would be gigabytes.
    image = podman.build("localhost/carousel-train", "Containerfile.train", ROOT, "--layers=false")
    for folder in ("recipes", "datasets"):
        shutil.copytree(ROOT / "models" / folder, tmp_path / "models" / folder)
    os.chown(tmp_path, USER, USER)
    carousel = ("run", "--rm", "--read-only", f"--volume={tmp_path}:/work", image)
    podman(*carousel, "train", "models/recipes/teaching_text.toml")
    podman(*carousel, "export", "build/train/teaching-text/model.keras", "--repository=repository", "--name=teaching")
    assert (tmp_path / "build/train/teaching-text/report/forecast.png").is_file()
    version = tmp_path / "repository/teaching/1"
    engine, because = load_engine(version, read_signature(version), read_manifest(version), "onnx")
    assert (engine.name, because) == ("onnx", "")
