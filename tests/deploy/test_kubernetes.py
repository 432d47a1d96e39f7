"""What kustomize makes of deploy/kubernetes, held to the real schemas and to the server's own settings."""

import copy
import importlib
import subprocess
from functools import cache

import kubernetes_validate
import pytest
import yaml

from carousel.settings import Settings
from tests.deploy.tools import ROOT, tool

KUBERNETES = ROOT / "deploy/kubernetes"
OVERLAYS = ("local", "production", "kserve")
SCHEMAS = {
    "PodMonitor": "cloudcoil.models.prometheus_operator.v1",
    "PrometheusRule": "cloudcoil.models.prometheus_operator.v1",
    "ScaledObject": "cloudcoil.models.keda.v1alpha1",
}


@cache
def _built(overlay: str) -> list[dict]:
    run = [tool("kubectl", "kubernetes-client, or from kubernetes.io"), "kustomize", KUBERNETES / "overlays" / overlay]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def _one(overlay: str, kind: str, name: str = "carousel") -> dict:
    [found] = [each for each in _built(overlay) if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return copy.deepcopy(found)


def _server(overlay: str) -> tuple[dict, dict]:
    pod = _one(overlay, "Deployment")["spec"]["template"]["spec"]
    return pod, pod["containers"][0]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_of_kubernetes_own_is_valid(overlay):
    """Kubernetes' schemas take each object, with no field that they do not know."""
    own = [each for each in _built(overlay) if "." not in each["apiVersion"] or ".k8s.io/" in each["apiVersion"]]
    assert own
    for each in own:
        kubernetes_validate.validate(each, "1.32", strict=True)


def test_every_object_of_the_operators_is_valid():
    """The models of KEDA and of the Prometheus operator take each object and drop no field of it."""
    checked = [each for each in _built("production") if each["kind"] in SCHEMAS]
    assert {each["kind"] for each in checked} == set(SCHEMAS)
    for each in checked:
        model = getattr(importlib.import_module(SCHEMAS[each["kind"]]), each["kind"])
        kept = model.model_validate(each).model_dump(by_alias=True, exclude_none=True, mode="json")
        _keeps(kept, each, each["kind"])


def _keeps(kept: object, given: object, path: str) -> None:
    if isinstance(given, dict):
        for key, value in given.items():
            assert key in kept, f"{path}.{key} is unknown"
            _keeps(kept[key], value, f"{path}.{key}")
    elif isinstance(given, list):
        for index, value in enumerate(given):
            _keeps(kept[index], value, f"{path}[{index}]")


@pytest.mark.parametrize("overlay", ["local", "production"])
def test_the_grace_period_outlasts_the_drain(overlay):
    """Kubernetes waits longer than the server takes to say NOT_SERVING and to finish; nothing is cut off."""
    pod, server = _server(overlay)
    settings = Settings(**_settings(server))
    drain = settings.drain_notice_seconds + settings.drain_seconds
    assert pod["terminationGracePeriodSeconds"] > drain + 5
    assert settings.drain_notice_seconds >= server["readinessProbe"]["periodSeconds"]


@pytest.mark.parametrize("overlay", ["local", "production"])
def test_a_rollout_takes_nothing_away_before_it_gave(overlay):
    """No pod ends before another is ready, and no evicting ends two."""
    update = _one(overlay, "Deployment")["spec"]["strategy"]["rollingUpdate"]
    assert update["maxUnavailable"] == 0
    assert _one(overlay, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


def test_probes_ask_a_plaintext_port_under_tls():
    """With TLS, gRPC probes go to the health port, and the certificate is the Secret's."""
    pod, server = _server("production")
    settings = Settings(**_settings(server))
    assert server["readinessProbe"]["grpc"]["port"] == server["startupProbe"]["grpc"]["port"] == settings.health_port
    [secret] = [volume["secret"] for volume in pod["volumes"] if "secret" in volume]
    assert secret["secretName"] == "carousel-tls"


def test_the_models_come_from_one_place():
    """Where an init container brings the models, the claim is gone and the volume is the pod's own."""
    for overlay in ("local", "production"):
        pod, _ = _server(overlay)
        assert [init["name"] for init in pod["initContainers"]] == ["models"]
        [models] = [volume for volume in pod["volumes"] if volume["name"] == "models"]
        assert set(models) == {"name", "emptyDir"}
        assert not [each for each in _built(overlay) if each["kind"] == "PersistentVolumeClaim"]


def test_one_scaler_scales():
    """KEDA makes an autoscaler of its own, so production has none beside it."""
    assert not [each for each in _built("production") if each["kind"] == "HorizontalPodAutoscaler"]
    assert _one("production", "ScaledObject")["spec"]["scaleTargetRef"]["name"] == "carousel"


def test_the_operator_gets_prometheus_rules():
    """The PrometheusRule holds exactly the rules that promtool tested; write_rules.py writes it."""
    rules = yaml.safe_load((ROOT / "deploy/prometheus/rules.yaml").read_text())
    assert _one("production", "PrometheusRule")["spec"] == rules


def test_the_memory_alert_knows_the_limit():
    """CarouselMemoryHigh fires below the limit that the Deployment sets."""
    _, server = _server("production")
    assert server["resources"]["limits"]["memory"] == "2Gi"
    assert f"0.85 * {2 << 30}" in (ROOT / "deploy/prometheus/rules.yaml").read_text()


def test_kserve_finds_its_container():
    """The runtime is what KServe asks for: its container's name, a port named h2c, gRPC v2, a gRPC probe."""
    spec = _one("kserve", "ServingRuntime")["spec"]
    [server] = spec["containers"]
    assert (server["name"], server["image"]) == ("kserve-container", "registry.example/carousel:0.1.0")
    assert (spec["protocolVersions"], server["ports"][0]["name"]) == (["grpc-v2"], "h2c")
    assert spec["supportedModelFormats"][0]["priority"] >= 3
    assert Settings(**_settings(server)).port == server["readinessProbe"]["grpc"]["port"]
    model = _one("kserve", "InferenceService", "weather")["spec"]["predictor"]["model"]
    assert model["runtime"] == "carousel"


def _settings(server: dict) -> dict[str, str]:
    """Read a container's environment as `carousel serve` would; a name that is no setting is a fault."""
    assert server["args"] == ["serve"]
    return {entry["name"].removeprefix("CAROUSEL_").lower(): entry["value"] for entry in server["env"]}
