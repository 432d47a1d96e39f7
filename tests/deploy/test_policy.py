"""A policy linter reads the manifests; what it is not followed in is here, with the reason."""

import json
import subprocess

import pytest

from tests.deploy.tools import ROOT, tool

REASONED = {
    "CKV_K8S_15": "IfNotPresent: images are named by version or digest, and a node must restart without the registry",
    "CKV_K8S_43": "the digest is the user's own build's, put into the overlay by whoever pushes it",
    "CKV_K8S_35": "rclone reads its remote from RCLONE_CONFIG_*; only the init container sees it",
}


@pytest.mark.soak
@pytest.mark.parametrize("overlay", ["local", "production"])
def test_the_policy_linter_finds_only_what_is_reasoned(overlay, tmp_path):
    """Checkov has nothing to say but what is reasoned above."""
    kubectl = tool("kubectl", "kubernetes-client, or from kubernetes.io")
    build = [kubectl, "kustomize", ROOT / "deploy/kubernetes/overlays" / overlay]
    built = subprocess.run(build, stdout=subprocess.PIPE, check=True)
    (tmp_path / "built.yaml").write_bytes(built.stdout)
    flags = ("--skip-download", "--framework", "kubernetes", "--output", "json", "--soft-fail", "-f")
    run = [tool("checkov", "pipx, then pipx install checkov"), *flags, tmp_path / "built.yaml"]
    done = subprocess.run(run, stdout=subprocess.PIPE, check=True)
    report = json.loads(done.stdout)
    assert report["summary"]["passed"] > 50
    assert {check["check_id"] for check in report["results"]["failed_checks"]} <= set(REASONED)
