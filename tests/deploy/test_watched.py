"""A real Prometheus scrapes real servers under load: every query answers, and every fault fires its own alerts."""

import os
import re
import shutil
import time

import keras
import promql_parser
import pytest
import yaml

from carousel.client import Client
from carousel_models.export import export
from docs.panels import Run, draw
from tests.deploy.cell_graphs import depend_on_the_batch, fail_above
from tests.deploy.tools import ROOT, Served
from tests.deploy.watched import RULES, Load, Prometheus, asked, hurried, numbers, panels, traced, until

DASHBOARD = ROOT / "deploy/grafana/dashboard.json"
FIRING = {
    ("carousel-rejecting", "CarouselLoadRejected"),
    ("carousel-unmounted", "CarouselRepositoryUnreadable"),
    ("carousel-loading", "CarouselLoadStuck"),
    ("carousel-fallen-back", "CarouselEngineFallback"),
    ("carousel-fallen-back", "CarouselMemoryHigh"),  # TensorFlow holds three times as much
    ("carousel-inexact", "CarouselAnswersInexact"),
    ("carousel-failing", "CarouselEngineFaults"),
    ("carousel-failing", "CarouselErrorBudgetBurnsFast"),
    ("carousel-failing", "CarouselErrorBudgetBurns"),
    ("carousel-stuck", "CarouselQueueStuck"),
    ("carousel-stuck", "CarouselEngineFallback"),  # no cell graph: its activation is its own
    ("carousel-stuck", "CarouselMemoryHigh"),
    ("carousel-empty", "CarouselServesNothing"),
    ("carousel-gone", "CarouselDown"),
    ("carousel-refusing", "CarouselRefuses"),
    ("carousel-refusing", "CarouselErrorBudgetBurnsFast"),
    ("carousel-refusing", "CarouselErrorBudgetBurns"),
}

LATER = {("carousel-loading", "CarouselLoadRejected")}
"""Fires once the stuck load ends: its weights are not those of its cell graph."""


def squashed(x):
    """An activation of one's own, so that there is no cell graph."""
    return keras.ops.tanh(x)


@pytest.fixture(scope="module")
def servers(repository, tmp_path_factory):
    """One server that is well and ten with a fault each."""
    folder = tmp_path_factory.mktemp("faulty")
    copies = {
        name: folder / name for name in ("rejecting", "unmounted", "loading", "fallen-back", "inexact", "failing")
    }
    graphs = {name: copy / "lstm/1/assets.extra/cell_graph.onnx" for name, copy in copies.items()}
    for copy in copies.values():
        shutil.copytree(repository, copy)
    graphs["fallen-back"].unlink()
    depend_on_the_batch(graphs["inexact"])
    fail_above(graphs["failing"], 4.0)
    own = keras.saving.register_keras_serializable("tests")(squashed)
    whole = [keras.Input((None, 8)), keras.layers.Bidirectional(keras.layers.LSTM(16, activation=own))]
    export(keras.Sequential(whole), folder / "stuck", "lstm")
    (folder / "empty").mkdir()
    flags = {
        "well": (repository,),
        "rejecting": (copies["rejecting"], "--poll-seconds", "1"),
        "unmounted": (copies["unmounted"], "--poll-seconds", "1"),
        "loading": (copies["loading"], "--poll-seconds", "1", "--load-timeout-seconds", "2", "--engine", "onnx"),
        "fallen-back": (copies["fallen-back"],),
        "inexact": (copies["inexact"],),
        "failing": (copies["failing"],),
        "stuck": (folder / "stuck", "--max-backlog-seconds", "1000"),
        "empty": (folder / "empty",),
        "gone": (repository,),
        "refusing": (repository, "--max-backlog-seconds", "0.0001"),
    }
    started = {f"carousel-{name}": Served(*how) for name, how in flags.items()}
    for job, server in started.items():
        if job != "carousel-empty":
            with Client(server.address) as client:
                client.wait_until_serving(90)
    yield started
    for server in started.values():
        server.end()


@pytest.fixture(scope="module")
def prometheus(servers, tmp_path_factory):
    """Watch them, some under load, and let those faults happen that need a moment."""
    folder = tmp_path_factory.mktemp("watched")
    servers["carousel-gone"].end()
    watching = Prometheus(folder, {job: {"one": server.metrics} for job, server in servers.items()})
    loads = [
        Load(servers["carousel-well"], "lstm", 8),
        Load(servers["carousel-refusing"], "lstm", 8, clients=4, median=500, every=0.001),
        Load(servers["carousel-failing"], "lstm", 8, median=500, every=0.1),
        # Each lane has one engine call, which runs for many seconds, and who came after waits.
        Load(servers["carousel-stuck"], "lstm", 8, clients=6, median=200_000),
    ]
    assert until(lambda: watching.now('carousel_serving{job="carousel-rejecting"} == 1'), 60)
    version = servers["carousel-rejecting"].repository / "lstm/2"
    version.mkdir()
    (version / "saved_model.pb").write_bytes(b"half a model")
    unmounted = servers["carousel-unmounted"].repository
    unmounted.rename(unmounted.with_name("elsewhere"))
    slow = servers["carousel-loading"].repository / "lstm"
    shutil.copytree(slow / "1", slow / "2")
    for variables in (slow / "2/variables").glob("*.data*"):
        os.truncate(variables, 10 << 30)  # a file of holes, which takes longer to read than a load may take
    yield watching
    servers["carousel-stuck"].end()
    for load in loads:
        load.end()
    watching.end()


def test_every_fault_fires_its_own_alerts_and_no_other(prometheus):
    """Every alert is fired by a real fault, and by no other; the server that is well, and under load, fires none."""

    def fired() -> set[tuple[str, str]]:
        alerts = prometheus.now('max_over_time(ALERTS{alertstate="firing"}[5m])')
        return {(alert["metric"]["job"], alert["metric"]["alertname"]) for alert in alerts}

    until(lambda: fired() >= FIRING, 60)
    assert fired() - LATER == FIRING
    assert {alert for _, alert in FIRING} == set(re.findall("alert: (\\w+)", RULES.read_text()))


def test_every_panel_shows_something(prometheus):
    """Each query of the dashboard is PromQL, and answers with numbers."""
    for _, panel in panels(DASHBOARD):
        for target in panel["targets"]:
            promql_parser.parse(asked(target))
            shown = until(lambda t=target: numbers(prometheus.lately(asked(t), 20)), 20)
            assert shown, f"{panel['title']}: {target['expr']} shows nothing"


def test_every_panel_can_be_drawn(prometheus, tmp_path):
    """What draws docs/dashboard.png draws every panel of the dashboard, in a file that a page can carry."""
    picture = tmp_path / "dashboard.png"
    run = Run(
        lambda target: prometheus.lately(asked(target), 20),
        lambda target: prometheus.exemplars(asked(target)),
        began=time.time() - 20,
        lasted=20,
    )
    draw(DASHBOARD, run, picture)
    assert 0 < picture.stat().st_size < 300_000


def test_a_bucket_leads_to_the_trace_of_who_fell_in_it(prometheus, servers):
    """For each panel that shows traces, Prometheus names that of a request which its histogram counted."""
    trace = traced(servers["carousel-well"], "lstm", 8)
    queries = [asked(t) for _, panel in panels(DASHBOARD) for t in panel["targets"] if t.get("exemplar")]
    assert len(queries) == 3

    def followed(query: str) -> bool:
        return trace in {exemplar["labels"]["trace_id"] for exemplar in prometheus.exemplars(query)}

    for query in queries:
        assert until(lambda q=query: followed(q), 20), f"{query} leads to no trace"


def test_every_rule_finds_its_numbers(prometheus):
    """Each recording rule records numbers, and each metric that an alert looks at is there."""
    for group in yaml.safe_load(hurried(RULES.read_text()))["groups"]:
        for rule in group["rules"]:
            if "record" in rule:
                assert numbers(prometheus.lately(rule["record"], 20)), rule["record"]
            else:
                for metric in re.findall(r"\b(?:job:|carousel_|process_)[\w:]+|\bup\b", rule["expr"]):
                    assert prometheus.now(metric), f"{rule['alert']} looks at {metric}, which is not there"


@pytest.mark.slow
def test_the_dashboard_answers_six_questions_in_order():
    """Those that are asked when something is wrong, the first one first."""
    questions = list(dict.fromkeys(question for question, _ in panels(DASHBOARD)))
    asked_first = ["Is it healthy?", "How fast?", "How full?", "What rides?", "What was refused?", "Which versions?"]
    assert questions == asked_first
