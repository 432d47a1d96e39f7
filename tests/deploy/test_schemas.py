"""What kustomize makes of deploy/kubernetes, held to the schemas of who will read it."""

import kubernetes_validate
import pytest

from tests.deploy.overlays import OVERLAYS, objects, one
from tests.deploy.published import faults
from tests.deploy.tools import ROOT

OLDEST = "1.27"  # the first to ask for health over gRPC and to know unhealthyPodEvictionPolicy without a feature gate
NEWEST = ".".join(kubernetes_validate.latest_version().split(".")[:2])
OPERATORS = {"InferenceService", "PodMonitor", "PrometheusRule", "ScaledObject", "ServingRuntime"}


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_of_kubernetes_own_is_valid(overlay, version):
    """The schemas of the oldest and the newest Kubernetes take each object, with no field that they do not know."""
    own = [each for each in objects(overlay) if each["kind"] not in OPERATORS]
    assert own
    for each in own:
        kubernetes_validate.validate(each, version, strict=True)


def test_the_page_says_which_versions():
    """docs/deploy.md names the versions that the schemas are of."""
    assert f"Kubernetes {OLDEST} to {NEWEST}" in (ROOT / "docs/deploy.md").read_text()


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_of_the_operators_is_valid(overlay):
    """The schemas of KServe, KEDA and the Prometheus operator take each object, with no field that they do not know."""
    for each in objects(overlay):
        if each["kind"] in OPERATORS:
            assert faults(each) == [], each["kind"]


def test_every_operator_has_its_objects():
    """Each kind that is checked is there to be checked."""
    assert {each["kind"] for overlay in OVERLAYS for each in objects(overlay)} >= OPERATORS


@pytest.mark.parametrize(
    ("kind", "name", "path", "wrong"),
    [
        ("InferenceService", "weather", "spec.predictor.minReplicas", "two"),
        ("InferenceService", "weather", "spec.predictor.model.storageURI", "pvc://models/"),
        ("ServingRuntime", "carousel", "spec.containers.0.readinessProbe.grpc.port", "grpc"),
        ("ServingRuntime", "carousel", "spec.containers.0.readyProbe", {}),
        ("ServingRuntime", "carousel", "metadata.label", {}),
    ],
)
def test_a_wrong_type_and_an_unknown_field_are_seen(kind, name, path, wrong):
    """The schemas are strict: one mistake in an object is one fault."""
    given = one("kserve", kind, name)
    *way, last = path.split(".")
    place = given
    for step in way:
        place = place[int(step) if isinstance(place, list) else step]
    place[last] = wrong
    assert len(faults(given)) == 1
