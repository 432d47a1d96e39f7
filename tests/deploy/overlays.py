"""What kustomize makes of deploy/kubernetes."""

import copy
import subprocess
from functools import cache

import yaml

from tests.deploy.tools import ROOT, pinned

KUBERNETES = ROOT / "deploy/kubernetes"
OVERLAYS = ("local", "production", "kserve")


@cache
def _built(overlay: str) -> list[dict]:
    run = [pinned("kubectl"), "kustomize", KUBERNETES / "overlays" / overlay]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def objects(overlay: str) -> list[dict]:
    """List the objects of an overlay."""
    return copy.deepcopy(_built(overlay))


def one(overlay: str, kind: str, name: str = "carousel") -> dict:
    """Find the one object of that kind and name."""
    [found] = [each for each in objects(overlay) if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def server(overlay: str) -> tuple[dict, dict]:
    """Give the pod that serves, and the server's own container; under KServe, the pod that it makes of both objects."""
    if overlay == "kserve":
        pod = one("kserve", "InferenceService", "weather")["spec"]["predictor"]
        runtime = one("kserve", "ServingRuntime")["spec"]
        pod |= {"containers": runtime["containers"], "volumes": runtime["volumes"]}
    else:
        pod = one(overlay, "Deployment")["spec"]["template"]["spec"]
    return pod, pod["containers"][0]
