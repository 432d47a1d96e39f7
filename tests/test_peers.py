"""The comparison with other servers counts right answers and nothing else, and gives our graph to all alike."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest

from carousel.artifact import CELL_GRAPH, FOLDER
from carousel.stubs.oip.open_inference_pb2 import ModelInferRequest, ModelInferResponse
from tests.benchmarks.peers.generator import ask
from tests.benchmarks.peers.inside.cell_graph import CellGraph
from tests.benchmarks.peers.page import page
from tests.benchmarks.peers.table import tables
from tests.benchmarks.peers.workloads import Case, Workload, live_request

EXPECTED = np.array([0.5, -0.25], np.float32)


def answer(values, shape=(1, 2), *, raw=True):
    response = ModelInferResponse(model_name="m")
    output = response.outputs.add(name="last_step", datatype="FP32", shape=shape)
    if raw:
        response.raw_output_contents.append(np.asarray(values, np.float32).tobytes())
    else:
        output.contents.fp32_contents.extend(values)
    return response.SerializeToString()


@pytest.mark.parametrize(
    ("given", "right"),
    [
        (answer(EXPECTED), True),
        (answer(EXPECTED, raw=False), True),
        (answer(EXPECTED + np.float32(5e-6)), True),
        (answer(EXPECTED + np.float32(2e-5)), False),
        (answer([0.5, np.nan]), False),
        (answer(EXPECTED, shape=(2, 1)), False),
        (answer(EXPECTED[:1]), False),
        (answer([]), False),
        (b"", False),
    ],
)
def test_an_answer_is_right_if_its_shape_is_and_each_number_is_near(given, right):
    case = Case(b"request", EXPECTED, 5)
    work = Workload("A", [case])
    assert [work.right(case, given) for _ in range(2)] == [right, right]  # the second time from what was seen


class Answers(grpc.GenericRpcHandler):
    """Answers rightly, wrongly and with an error, in turns, whatever is asked."""

    def __init__(self):
        self.asked = []
        self.seconds = 0.0  # each answer takes

    def service(self, _details):
        return grpc.unary_unary_rpc_method_handler(self.answer)

    def answer(self, message, context):
        self.asked.append(message)
        time.sleep(self.seconds)
        turn = len(self.asked) % 3
        if turn == 0:
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "enough")
        return answer(EXPECTED * turn)


@pytest.fixture
def answers():
    handler = Answers()
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((handler,))
    handler.target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield handler
    server.stop(0).wait(10)


@pytest.mark.parametrize(("connections", "streams"), [(1, 1), (2, 3)])
def test_wrong_answers_and_errors_are_counted_and_make_no_rate(answers, connections, streams):
    outcome = ask(answers.target, Workload("A", [Case(b"request", EXPECTED, 5)]), connections, streams, 0.3)
    right = outcome.calls - outcome.wrong - sum(outcome.failed.values())
    assert outcome.calls == len(answers.asked)
    assert outcome.wrong == len([i for i in range(1, outcome.calls + 1) if i % 3 == 2])
    assert outcome.failed == {"RESOURCE_EXHAUSTED": outcome.calls // 3}
    assert len(outcome.latencies) == right
    within = round(outcome.rate * 0.3)
    assert right - connections * streams <= within <= right  # those in flight at the end make no rate


def test_calls_at_random_are_timed_from_when_they_were_to_be_sent(answers):
    """And all of them count: a server that is too slow cannot hide it by being asked later."""
    answers.seconds = 0.01
    outcome = ask(answers.target, Workload("A", [Case(b"request", EXPECTED, 5)]), 2, 0, 0.2, rate=200)
    assert outcome.calls == len(answers.asked) == len(outcome.latencies) + outcome.wrong + sum(outcome.failed.values())
    assert max(outcome.latencies) >= (outcome.calls - 2) * answers.seconds - 0.2


def test_a_live_request_says_where_its_sequence_stands():
    case = Case(ModelInferRequest(model_name="m").SerializeToString(), EXPECTED, 1)
    request = ModelInferRequest.FromString(live_request(case, 7, start=True, end=False))
    assert request.model_name == "m"
    assert request.parameters["sequence_id"].int64_param == 7
    assert request.parameters["sequence_start"].bool_param
    assert "sequence_end" not in request.parameters


def test_peers_get_from_our_graph_what_each_sequence_gets_alone(repository):
    """In a batch of unlike lengths, bit for bit: what a peer is given costs it nothing by padding."""
    graph = CellGraph(str(repository / "stack" / "1" / FOLDER / CELL_GRAPH))
    rng = np.random.default_rng(0)
    sequences = [rng.standard_normal((length, 64)).astype(np.float32) for length in (3, 9, 1, 9, 4)]
    together = graph.run(sequences)
    alone = [graph.run([sequence])[0] for sequence in sequences]
    assert [output.shape for output in together] == [(len(sequence), 256) for sequence in sequences]
    assert all(np.array_equal(a, b) for a, b in zip(together, alone, strict=True))


@pytest.fixture
def found():
    """Of a run whose figures are easily seen: another server is half as fast, and starts in half the time."""
    fields = {"rate": [100.0], "cpu": [1e-4], "p50": [0.001], "p99": [0.002], "short_p99": [], "calls": 100}
    ours = fields | {"wrong": 0, "failed": {}}
    theirs = fields | {"rate": [50.0], "cpu": [0.5e-4], "wrong": 3, "failed": {"INTERNAL": 2}}
    told = {
        "cold_seconds": [0.5],
        "cold_cpu_seconds": [0.4],
        "resident_megabytes": 100,
        "installed_megabytes": None,
        "pinned": (),
        "settings": "all",
    }
    other = told | {"cold_seconds": [0.25], "pinned": ("server==1.0", "numpy==2.0")}
    run = {
        "machine": "a machine",
        "began": "today",
        "minutes": 3.0,
        "load": [1.0, 2.0],
        "niceness": 0,
        "rounds": 1,
        "seconds": 2.0,
    }
    found = run | {
        "peers": {"Carousel": {"measured": {"A 1x1": ours}} | told, "Other": {"measured": {"A 1x1": theirs}} | other},
        "missing": {"Third": "there is no such Python"},
    }
    return json.loads(json.dumps(found))


def test_the_table_names_what_is_missing_and_what_was_wrong(found):
    text = tables(found)
    assert "| Carousel | 100 (100 to 100) |  | 100 (100 to 100) | 1 (1 to 1) | 2 (2 to 2) | 0 |" in text
    assert "| Other | 50 (50 to 50) | 2x (2 to 2) | 50 (50 to 50) |" in text
    assert "| **3 wrong, 2 INTERNAL** of 100 |" in text
    assert "- Third was left out: there is no such Python" in text


def test_the_page_names_every_loss(found):
    text = page(found, ["Carousel", "Other", "Third"])
    losses = text[text.index("## Where another server was ahead") : text.index("## Figures")]
    assert "| processor time a call | Other 0.5x (0.5 to 0.5) |" in losses
    assert "| Start, memory | Start to first answer | Other 0.5x |" in losses
    assert "| calls a second |" not in losses
    assert "Memory" not in losses
    assert "- Other: `server==1.0 numpy==2.0`; all" in text
    assert tables(found) in text


def test_no_page_is_written_of_some_peers_alone(found):
    """A peer may be missing for a reason that stands in the page, and for no other; Carousel never."""
    with pytest.raises(ValueError, match="no Fourth, Fifth"):
        page(found, ["Carousel", "Other", "Third", "Fourth", "Fifth"])
    del found["peers"]["Carousel"]
    with pytest.raises(ValueError, match="no Carousel"):
        page(found, ["Other", "Third"])
