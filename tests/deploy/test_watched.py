"""A real Prometheus scrapes real servers under load: every query answers, and every fault fires its own alerts."""

import re
import shutil
from contextlib import ExitStack
from pathlib import Path

import promql_parser
import pytest
import yaml

from carousel.client import Client
from tests.deploy.tools import ROOT, Served
from tests.deploy.watched import RULES, Load, Prometheus, asked, hurried, numbers, panels, until

DASHBOARD = ROOT / "deploy/grafana/dashboard.json"
FIRING = {
    ("carousel-rejecting", "CarouselLoadRejected"),
    ("carousel-fallen-back", "CarouselEngineFallback"),
    ("carousel-empty", "CarouselServesNothing"),
    ("carousel-gone", "CarouselDown"),
    ("carousel-refusing", "CarouselRefuses"),
    ("carousel-refusing", "CarouselErrorBudgetBurnsFast"),
    ("carousel-refusing", "CarouselErrorBudgetBurns"),
}


@pytest.fixture(scope="module")
def prometheus(repository, tmp_path_factory):
    """Watch one server that is well and five with a fault each, two of them under load."""
    folder = tmp_path_factory.mktemp("watched")
    shutil.copytree(repository, folder / "rejecting")
    shutil.copytree(repository, folder / "fallen-back")
    (folder / "fallen-back/lstm/1/assets.extra/plan.onnx").unlink()
    (folder / "empty").mkdir()
    with ExitStack() as ends:

        def served(where: Path, *flags: str) -> Served:
            server = Served(where, *flags)
            ends.callback(server.end)
            return server

        servers = {
            "carousel-well": served(repository),
            "carousel-rejecting": served(folder / "rejecting", "--poll-seconds", "1"),
            "carousel-fallen-back": served(folder / "fallen-back"),
            "carousel-empty": served(folder / "empty"),
            "carousel-gone": served(repository),
            "carousel-refusing": served(repository, "--max-backlog-seconds", "0.0001"),
        }
        for job in ("carousel-well", "carousel-rejecting", "carousel-fallen-back", "carousel-refusing"):
            with Client(servers[job].address) as client:
                client.wait_until_serving(90)
        servers["carousel-gone"].end()
        watching = Prometheus(folder, {job: server.metrics for job, server in servers.items()})
        ends.callback(watching.end)
        ends.callback(Load(servers["carousel-well"], "lstm", 8).end)
        ends.callback(Load(servers["carousel-refusing"], "lstm", 8, clients=4, median=500, every=0.001).end)
        assert until(lambda: watching.now('carousel_serving{job="carousel-rejecting"} == 1'), 60)
        (folder / "rejecting/lstm/2").mkdir()
        (folder / "rejecting/lstm/2/saved_model.pb").write_bytes(b"half a model")
        yield watching


def test_every_fault_fires_its_own_alerts_and_no_other(prometheus):
    """Five faults fire exactly their alerts; the server that is well, and under load, fires none."""

    def fired() -> set[tuple[str, str]]:
        alerts = prometheus.now('max_over_time(ALERTS{alertstate="firing"}[5m])')
        return {(alert["metric"]["job"], alert["metric"]["alertname"]) for alert in alerts}

    until(lambda: fired() >= FIRING, 60)
    assert fired() == FIRING


def test_every_panel_shows_something(prometheus):
    """Each query of the dashboard is PromQL, and answers with numbers."""
    for _, panel in panels(DASHBOARD):
        for target in panel["targets"]:
            promql_parser.parse(asked(target))
            shown = until(lambda t=target: numbers(prometheus.lately(asked(t), 20)), 20)
            assert shown, f"{panel['title']}: {target['expr']} shows nothing"


def test_every_rule_finds_its_numbers(prometheus):
    """Each recording rule records numbers, and each metric that an alert looks at is there."""
    for group in yaml.safe_load(hurried(RULES.read_text()))["groups"]:
        for rule in group["rules"]:
            if "record" in rule:
                assert numbers(prometheus.lately(rule["record"], 20)), rule["record"]
            else:
                for metric in re.findall(r"\b(?:job:|carousel_|process_)[\w:]+|\bup\b", rule["expr"]):
                    assert prometheus.now(metric), f"{rule['alert']} looks at {metric}, which is not there"


def test_the_dashboard_is_what_the_code_writes():
    """deploy/grafana/dashboard.json is what dashboard.py writes, and answers six questions in order."""
    source = ROOT / "deploy/grafana/dashboard.py"
    written: dict = {"__file__": str(source), "__name__": "dashboard"}
    exec(compile(source.read_text(), source, "exec"), written)
    assert DASHBOARD.read_text() == written["dashboard"]()
    questions = list(dict.fromkeys(question for question, _ in panels(DASHBOARD)))
    asked_first = ["Is it healthy?", "How fast?", "How full?", "What rides?", "What was refused?", "Which versions?"]
    assert questions == asked_first
