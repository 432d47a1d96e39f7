"""docs/deploy.md does not rot: its commands are run, or it is said here why not."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import trustme
import yaml

from tests.deploy.overlays import one
from tests.deploy.tools import ROOT, pinned, tool

ELSEWHERE = {
    "make demo": "takes minutes; tests/carousel_models/ holds each of its steps",
    "podman build": "takes minutes; test_images.py builds",
    "podman run": "test_images.py runs what it built",
    "kubectl apply": "needs a cluster; test_schemas.py holds what is applied to its schemas",
    "kubectl rollout": "needs a cluster",
}


def _blocks() -> list[list[str]]:
    """The page's blocks of commands, each without its comments."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs/deploy.md").read_text(), re.DOTALL)
    return [[re.sub(r"\s+# .*", "", line) for line in block.splitlines()] for block in blocks]


LINES = [line for block in _blocks() for line in block]
[SERVED] = [block for block in _blocks() if "serve" in block[0]]
KUSTOMIZED = [line for line in LINES if line.startswith("kubectl kustomize")]
SECRETS = [line for line in LINES if line.startswith("kubectl create secret")]


def _run(script: str, folder: Path, *prefix: str) -> str:
    """Run commands of the page where a user would be: in a folder with our own files, and our own programs."""
    for name in ("deploy", ".venv"):
        (folder / name).symlink_to(ROOT / name)
    programs = (pinned("kubectl"), tool("prometheus", "prometheus"), tool("ip", "iproute2"))
    path = os.pathsep.join((*(str(Path(program).parent) for program in programs), os.environ["PATH"]))
    done = subprocess.run(
        [*prefix, "bash", "-euc", script],
        cwd=folder,
        env=os.environ | {"PATH": path},
        stdout=subprocess.PIPE,
        timeout=120,
        check=True,
        text=True,
    )
    return done.stdout


def test_the_readme_watches_as_the_page_does():
    """What README.md says of Prometheus are commands of the page, which are run below."""
    commands = re.search(r"## Deploy and watch.*?```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    assert {re.sub(r"\s+# .*", "", line) for line in commands.splitlines()} <= set(LINES)


def test_every_command_is_run_or_excused():
    """No command stands on the page that neither a test here runs nor ELSEWHERE names."""
    left = set(LINES) - set(SERVED) - set(KUSTOMIZED) - set(SECRETS)
    assert [line for line in left if not line.startswith(tuple(ELSEWHERE))] == []
    assert all(any(line.startswith(excused) for line in left) for excused in ELSEWHERE)


def test_one_machine_is_served_and_watched(repository, tmp_path):
    """The first path, as it stands there, on a network of its own: Prometheus sees that the server serves."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models/repository").symlink_to(repository)
    *begin, seen = SERVED
    script = "\n".join(["ip link set lo up", *begin, f"until {seen} | grep '=> 1'; do sleep 1; done"])
    alone = ("unshare", "--map-root-user", "--net", "--pid", "--fork", "--kill-child")
    assert 'carousel_serving{instance="localhost:8501", job="carousel"} => 1' in _run(script, tmp_path, *alone)


@pytest.mark.parametrize("line", KUSTOMIZED)
def test_each_overlay_is_shown(line, tmp_path):
    """The page shows objects of every overlay that it names."""
    assert "kind: Namespace" in _run(line, tmp_path)


def test_the_secrets_are_those_that_production_reads(tmp_path):
    """The commands make the Secrets by the names, and with the keys, that the pods ask for."""
    certificate = trustme.CA().issue_cert("carousel.carousel.svc.cluster.local")
    certificate.private_key_pem.write_to_path(tmp_path / "tls.key")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "tls.crt")
    made = _run("".join(f"{line} --dry-run=client --output=yaml\necho ---\n" for line in SECRETS), tmp_path)
    secrets = {each["metadata"]["name"]: each for each in yaml.safe_load_all(made) if each}
    pod = one("production", "Deployment")["spec"]["template"]["spec"]
    [init] = pod["initContainers"]
    [tls] = [volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume]
    assert set(secrets) == {tls, *(source["secretRef"]["name"] for source in init["envFrom"])}
    assert set(secrets[tls]["data"]) == {"tls.crt", "tls.key"}
    remote = init["args"][1].partition(":")[0].upper()
    assert all(key.startswith(f"RCLONE_CONFIG_{remote}_") for key in secrets["carousel-bucket"]["data"])
    assert {secret["metadata"]["namespace"] for secret in secrets.values()} == {"carousel"}
