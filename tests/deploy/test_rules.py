"""The alerts, held to what they say by Prometheus' own tool."""

import re
import subprocess

import yaml

from tests.deploy.tools import ROOT, tool

PROMETHEUS = ROOT / "deploy/prometheus"


def _promtool(*arguments: str) -> None:
    run = [tool("promtool", "prometheus"), *arguments]
    done = subprocess.run(run, cwd=PROMETHEUS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_configuration_and_the_rules():
    """What a user starts Prometheus with is valid, and so are the rules it names."""
    _promtool("check", "config", "prometheus.yaml")


def test_every_alert_fires_for_its_fault_and_for_nothing_else():
    """The rules pass promtool's unit tests, which make every alert fire, and none where all is well."""
    _promtool("test", "rules", "rules_test.yaml")
    tests = yaml.safe_load((PROMETHEUS / "rules_test.yaml").read_text())["tests"]
    expected = [expectation for test in tests for expectation in test.get("promql_expr_test", [])]
    firing = " ".join(str(each) for each in expected if each["exp_samples"])
    assert {alert["alert"] for alert in _alerts()} == set(re.findall(r"Carousel[A-Z]\w+", firing))
    assert expected[-1] == {"expr": "ALERTS", "eval_time": "2h", "exp_samples": []}


def test_every_alert_says_what_is_wrong_and_what_to_do():
    """Whoever is woken reads one sentence on what happened and what to do, and knows how urgent it is."""
    for alert in _alerts():
        assert alert["labels"]["severity"] in {"page", "ticket"}
        assert alert["annotations"]["summary"]
        assert len(alert["annotations"]["runbook"].split()) > 15


def _alerts() -> list[dict]:
    groups = yaml.safe_load((PROMETHEUS / "rules.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]
