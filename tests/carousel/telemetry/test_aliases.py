"""TensorFlow Serving's names, where they are asked for; and what is left out of /metrics keeps every rule's series."""

import re
from collections import Counter
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from carousel.telemetry import ModelCounters, ModelReadings, Readings, RpcCounters, SessionReadings, Usage
from carousel.telemetry.instruments import WATCHED
from carousel.telemetry.prometheus import exposition

RULES = Path(__file__).parents[3] / "deploy" / "prometheus" / "rules.yaml"


def model(name, version, *seconds, failed=()):
    counters = ModelCounters()
    for each in seconds:
        counters.answered(each, failed=False)
        counters.done(0.0, each / 2, "")
    for each in failed:
        counters.answered(each, failed=True)
    return ModelReadings(name, version, "onnx", 0, True, counters, 0, 0, 0.0, SessionReadings(0, 0.0, 0))


def readings(**rpcs):
    models = (model("a", 1, 0.002, 0.02, failed=[0.2]), model("a", 2, 0.002), model("b", 1))
    loads = Counter(loaded=3, rejected=1)
    return Readings(True, models, rpcs or {"/s/M": RpcCounters("unary")}, loads, 0, 1.0, Usage.now())


def samples(*, aliases=False, **rpcs):
    text, _ = exposition(lambda: readings(**rpcs), aliases=aliases)("text/plain")
    families = text_string_to_metric_families(text.decode())
    return {(s.name, *sorted(s.labels.items())): s.value for family in families for s in family.samples}


def test_requests_and_times_are_there_by_its_names_over_all_versions_of_a_model():
    found = samples(aliases=True)
    count, latency = ":tensorflow:serving:request_count", ":tensorflow:serving:request_latency"
    assert found[count, ("model_name", "a"), ("status", "OK")] == 3
    assert found[count, ("model_name", "a"), ("status", "FAILED")] == 1
    assert found[count, ("model_name", "b"), ("status", "OK")] == 0
    labels = (("API", "predict"), ("entrypoint", "any"))
    assert found[f"{latency}_count", *labels, ("model_name", "a")] == 4
    assert found[f"{latency}_sum", *labels, ("model_name", "a")] == pytest.approx(224_000)  # microseconds
    assert found[f"{latency}_bucket", *labels, ("le", "2500.0"), ("model_name", "a")] == 2
    runtime = ":tensorflow:serving:runtime_latency_sum"
    assert found[runtime, ("API", "predict"), ("model_name", "a"), ("runtime", "onnx")] == pytest.approx(12_000)
    assert found[":tensorflow:cc:saved_model:load_attempt_count", ("status", "success")] == 3
    assert found[":tensorflow:cc:saved_model:load_attempt_count", ("status", "fail")] == 1
    assert not any(name.startswith(":tensorflow") for name, *_ in samples())


def test_every_code_that_a_rule_asks_for_is_counted_from_zero():
    asked = set(re.findall(r'grpc_code=~"([A-Z_|]+)"', RULES.read_text()))
    assert {code for codes in asked for code in codes.split("|")} < WATCHED
    found = samples()
    for code in WATCHED:
        labels = (("grpc_code", code), ("grpc_method", "M"), ("grpc_service", "s"), ("grpc_type", "unary"))
        assert found["grpc_server_handled_total", *labels] == 0


def test_what_never_was_takes_no_line():
    """Codes that no rule asks for, and times of methods that were not called; once they were, all are there."""
    called = RpcCounters("unary", 1, Counter(NOT_FOUND=1))
    called.seconds.add(0.01)
    found = samples(**{"/s/M": called, "/s/N": RpcCounters("unary")})
    codes = {labels["grpc_code"] for name, *pairs in found if name == "grpc_server_handled_total"
             for labels in [dict(pairs)] if labels["grpc_method"] == "M"}  # fmt: skip
    assert codes == WATCHED | {"NOT_FOUND"}
    timed = {dict(pairs)["grpc_method"] for name, *pairs in found if name == "grpc_server_handling_seconds_count"}
    assert timed == {"M"}
