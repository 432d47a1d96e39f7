"""What kustomize makes of deploy/kubernetes, held to what the server does and to what an operator is paged for."""

import re
import threading
import urllib.request

import pytest
import yaml

from carousel.settings import Settings
from carousel.telemetry import INSTRUMENTS
from tests.conftest import Serving
from tests.deploy.overlays import OVERLAYS, objects, one, server
from tests.deploy.tools import ROOT


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_grace_period_outlasts_the_drain(overlay):
    """Health says NOT_SERVING for as long as it takes to be noticed, and nothing is cut off before a drain is over."""
    pod, container = server(overlay)
    settings, probe = Settings(**_settings(container)), container["readinessProbe"]
    assert settings.drain_notice_seconds >= probe["periodSeconds"] * probe["failureThreshold"] + probe["timeoutSeconds"]
    assert pod["terminationGracePeriodSeconds"] > settings.drain_notice_seconds + settings.drain_seconds + 5


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_rollout_takes_nothing_away_before_it_gave(overlay):
    """No pod ends before another is ready, and no evicting ends two."""
    if overlay == "kserve":
        update = one("kserve", "InferenceService", "weather")["spec"]["predictor"]["deploymentStrategy"]
        budget = one("kserve", "PodDisruptionBudget", "weather")["spec"]
    else:
        update = one(overlay, "Deployment")["spec"]["strategy"]
        budget = one(overlay, "PodDisruptionBudget")["spec"]
    assert update == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    assert budget["maxUnavailable"] == 1


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_service_sets_a_setting(overlay):
    """Kubernetes' variables for services, as CAROUSEL_PORT for one named carousel, stay out; so does a token."""
    pod, _ = server(overlay)
    assert pod["enableServiceLinks"] is pod["automountServiceAccountToken"] is False


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_liveness_asks_the_loop(overlay):
    """The liveness probe is the path of that name, on the port where a server answers it."""
    _, container = server(overlay)
    ports = {port.get("name"): port["containerPort"] for port in container["ports"]}
    scrape = container["livenessProbe"]["httpGet"]
    assert scrape["path"] == "/livez"
    assert ports.get(scrape["port"], scrape["port"]) == Settings().http_port


def test_a_stuck_loop_is_not_live_and_an_empty_repository_is(tmp_path):
    """A scrape is answered while there is nothing to serve, and not while the loop is stuck."""
    serving, again = Serving(repository=tmp_path, drain_notice_seconds=0), threading.Event()
    assert urllib.request.urlopen(serving.metrics, timeout=30).status == 200
    serving.server._loop.post(again.wait)
    with pytest.raises(TimeoutError):
        urllib.request.urlopen(serving.metrics, timeout=1)
    again.set()
    assert urllib.request.urlopen(serving.metrics, timeout=30).status == 200
    assert serving.stop() == 0


def test_probes_ask_a_plaintext_port_under_tls():
    """With TLS, gRPC probes go to the health port, and the certificate is the Secret's."""
    pod, container = server("production")
    settings = Settings(**_settings(container))
    assert container["readinessProbe"]["grpc"]["port"] == container["startupProbe"]["grpc"]["port"]
    assert container["readinessProbe"]["grpc"]["port"] == settings.health_port
    [secret] = [volume["secret"] for volume in pod["volumes"] if "secret" in volume]
    assert secret["secretName"] == "carousel-tls"


def test_the_models_come_from_one_place():
    """Where an init container brings the models, the claim is gone and the volume is the pod's own."""
    for overlay in ("local", "production"):
        pod, _ = server(overlay)
        assert [init["name"] for init in pod["initContainers"]] == ["models"]
        [models] = [volume for volume in pod["volumes"] if volume["name"] == "models"]
        assert set(models) == {"name", "emptyDir"}
        assert not [each for each in objects(overlay) if each["kind"] == "PersistentVolumeClaim"]


def test_one_scaler_scales():
    """KEDA makes an autoscaler of its own, so production has none beside it; local scales on CPU."""
    assert not [each for each in objects("production") if each["kind"] == "HorizontalPodAutoscaler"]
    assert one("production", "ScaledObject")["spec"]["scaleTargetRef"]["name"] == "carousel"
    assert one("local", "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"] == "carousel"


def test_the_scaler_asks_for_what_is_served():
    """Each of KEDA's queries is of metrics that the server has; no answer is an error to it, and not a zero."""
    for trigger in one("production", "ScaledObject")["spec"]["triggers"]:
        asked = set(re.findall(r"carousel_\w+", trigger["metadata"]["query"]))
        assert asked
        assert asked <= {instrument.name for instrument in INSTRUMENTS}
        assert trigger["metadata"]["ignoreNullValues"] == "false"


@pytest.mark.parametrize(
    ("overlay", "out"), [("local", set()), ("production", {(443, "TCP"), (53, "UDP"), (53, "TCP")})]
)
def test_the_network_is_closed_but_for_what_is_needed(overlay, out):
    """Callers reach gRPC, Prometheus reaches /metrics, and only for a bucket does anything go out."""
    policy, (_, container) = one(overlay, "NetworkPolicy")["spec"], server(overlay)
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    calls, scrapes = policy["ingress"]
    assert [port["port"] for port in calls["ports"]] == ["grpc", "http"]
    assert [port["port"] for port in scrapes["ports"]] == ["http"]
    assert {"grpc", "http"} <= {port["name"] for port in container["ports"]}
    assert {(port["port"], port["protocol"]) for rule in policy["egress"] for port in rule["ports"]} == out


def test_prometheus_is_let_in_where_the_scaler_looks_for_it():
    """KEDA asks the Prometheus of the namespace that may scrape."""
    _, scrapes = one("production", "NetworkPolicy")["spec"]["ingress"]
    [namespace] = scrapes["from"][0]["namespaceSelector"]["matchLabels"].values()
    for trigger in one("production", "ScaledObject")["spec"]["triggers"]:
        assert f".{namespace}.svc:" in trigger["metadata"]["serverAddress"]
    [scraped] = one("production", "PodMonitor")["spec"]["podMetricsEndpoints"]
    assert scraped["port"] == scrapes["ports"][0]["port"]


def test_the_operator_gets_prometheus_rules():
    """The PrometheusRule holds exactly the rules that promtool tested."""
    rules = yaml.safe_load((ROOT / "deploy/prometheus/rules.yaml").read_text())
    assert one("production", "PrometheusRule")["spec"] == rules


def test_the_memory_alert_knows_the_limit():
    """CarouselMemoryHigh fires below the limit that the Deployment sets."""
    _, container = server("production")
    assert container["resources"]["limits"]["memory"] == "2Gi"
    assert f"0.85 * {2 << 30}" in (ROOT / "deploy/prometheus/rules.yaml").read_text()


def test_kserve_finds_its_container():
    """The runtime is what KServe asks for: its container's name, a port named h2c, gRPC v2, a gRPC probe."""
    spec = one("kserve", "ServingRuntime")["spec"]
    [container] = spec["containers"]
    assert (container["name"], container["image"]) == ("kserve-container", "registry.example/carousel:0.2.0")
    assert (spec["protocolVersions"], container["ports"][0]["name"]) == (["grpc-v2"], "h2c")
    assert spec["supportedModelFormats"][0]["priority"] >= 3
    assert Settings(**_settings(container)).port == container["readinessProbe"]["grpc"]["port"]
    model = one("kserve", "InferenceService", "weather")["spec"]["predictor"]["model"]
    assert model["runtime"] == "carousel"


def _settings(container: dict) -> dict[str, str]:
    """Read a container's environment as `carousel serve` would; a name that is no setting is a fault."""
    assert container["args"] == ["serve"]
    return {entry["name"].removeprefix("CAROUSEL_").lower(): entry["value"] for entry in container["env"]}


@pytest.mark.parametrize("overlay", ["local", "production"])
def test_services_lead_to_every_port_that_clients_call(overlay):
    """By its name in the pod; under TLS a proxy is told so."""
    _, container = server(overlay)
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    for name in ("carousel", "carousel-proxied"):
        given = {port["name"]: port for port in one(overlay, "Service", name)["spec"]["ports"]}
        assert given.keys() == {"grpc", "http"}
        for port in given.values():
            assert port["port"] == ports[port["targetPort"]]
        assert given["http"]["appProtocol"] == ("https" if overlay == "production" else "http")
