"""A policy linter reads the manifests; what it is not followed in is here, with the reason."""

import json
import subprocess

import yaml

from tests.deploy.overlays import OVERLAYS, objects, server
from tests.deploy.tools import pinned

REASONED = {
    "CKV_K8S_15": "IfNotPresent: images are named by version or digest, and a node must restart without the registry",
    "CKV_K8S_43": "the digest is the user's own build's, put into the overlay by whoever pushes it",
    "CKV_K8S_35": "rclone reads its remote from RCLONE_CONFIG_*; only the init container sees it",
}


def test_the_policy_linter_finds_only_what_is_reasoned(tmp_path):
    """Checkov has nothing to say of any overlay but what is reasoned above, and each reason is still needed."""
    flags = ("--skip-download", "--framework", "kubernetes", "--output", "json", "--soft-fail", "--compact")
    for overlay in OVERLAYS:
        (tmp_path / f"{overlay}.yaml").write_text(yaml.safe_dump_all([*objects(overlay), *_of_kserve(overlay)]))
    run = [pinned("checkov"), *flags, "--directory", tmp_path]
    report = json.loads(subprocess.run(run, stdout=subprocess.PIPE, check=True).stdout)
    assert {check["file_path"] for check in report["results"]["passed_checks"]} == {
        f"/{name}.yaml" for name in OVERLAYS
    }
    failed = report["results"]["failed_checks"]
    assert {check["check_id"] for check in failed} == set(REASONED), [
        (check["file_path"], check["resource"], check["check_name"]) for check in failed
    ]
    assert report["summary"]["parsing_errors"] == 0


def _of_kserve(overlay: str) -> list[dict]:
    """Give the Deployment that KServe makes of its objects, which the linter does not know."""
    if overlay != "kserve":
        return []
    pod, _ = server("kserve")
    template = {"metadata": {"labels": {"app": "weather"}}, "spec": pod}
    metadata = {"name": "weather-predictor", "namespace": "carousel"}
    return [{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"template": template}}]
