"""HTTP: calls a second and a core, how long they take, and what gRPC's callers notice beside a flood of JSON."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from matplotlib.figure import Figure

from carousel.serving import load_version
from tests.benchmarks import report
from tests.benchmarks.h2load import durations, flooded, framed, posted
from tests.benchmarks.measure import Spread, ratios
from tests.benchmarks.served import PREDICT, Served
from tests.benchmarks.workloads import gathered, predict_request, version

_ROUNDS = 5
_CALLS = {"small": 2000, "large": 400}  # a round
_SHAPES = {"small": (30, 4), "large": (100, 300)}
_RATE = 100  # gRPC calls a second beside the flood
_BESIDE = 500  # of them a round


def main() -> None:
    versions = {"small": version("rest32", 4, (32,)), "large": version("rest128", 300, (128,))}
    rng = np.random.default_rng(0)
    sequences = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in _SHAPES.items()}
    with Served(gathered("rest", versions)) as served:
        figures = {name: _asked(served, name, sequences[name]) for name in _SHAPES}
        beside = _beside(served, sequences)
    own = load_version(versions["large"]).costs.step_seconds(1) * _SHAPES["large"][0]
    rows = []
    for name, ways in figures.items():
        for way, rounds in ways.items():
            cpu, p50, p99 = (Spread.of(each) for each in zip(*rounds, strict=True))
            came = f"{1 / cpu.median:,.0f} calls/s a core, {cpu.say(' us', 1e6)} of CPU"
            came += f"; p50 {1e3 * p50.median:.2f} ms, p99 {1e3 * p99.median:.2f} ms"
            target: tuple[Any, ...] = ()
            if way.startswith("JSON"):
                small = ("3,000 calls/s a core", cpu.median < 1 / 3000)
                target = small if name == "small" else (f"3x the engine's {1e3 * own:.2f} ms", cpu.median < 3 * own)
            rows.append(report.Row(f"{way} of {list(_SHAPES[name])}", came, *target))
    for name, shape in _SHAPES.items():
        p50, p99 = (
            (ratios(flooded, alone), Spread.of(alone))
            for flooded, alone in zip(
                zip(*beside[name], strict=True), zip(*beside["nothing"], strict=True), strict=True
            )
        )
        came = "; ".join(
            f"{which} {slower.say('x')} of {1e3 * alone.median:.2f} ms"
            for which, (slower, alone) in (("p99", p99), ("p50", p50))
        )
        rows.append(
            report.Row(f"gRPC beside a flood of JSON {list(shape)}", came, "1.5x the p99", p99[0].median <= 1.5)
        )
    content = {"cpu_p50_p99": figures, "p50_p99_beside": beside}
    report.write("rest", rows, content, lambda figure: _draw(figure, figures, beside))


def _ways(name: str, sequence: np.ndarray) -> dict[str, tuple[str, Path, dict[str, str]]]:
    """Give the path, the body and the headers of each way to ask for the last step."""
    files = {way: report.FOLDER / f"rest-{name}.{way}" for way in ("json", "few", "binary")}
    files["json"].write_text(json.dumps({"instances": [sequence.tolist()]}))  # as Python's clients do, 17 digits
    files["few"].write_bytes(orjson.dumps({"instances": [sequence]}, option=orjson.OPT_SERIALIZE_NUMPY))
    outputs = [{"name": "last_step", "parameters": {"binary_data": True}}]
    inputs = [{"name": "inputs", "datatype": "FP32", "shape": [1, *sequence.shape]}]
    inputs[0]["parameters"] = {"binary_data_size": sequence.nbytes}
    head = json.dumps({"inputs": inputs, "outputs": outputs}).encode()
    files["binary"].write_bytes(head + sequence.tobytes())
    return {
        "JSON": (f"/v1/models/{name}:predict", files["json"], {}),
        "JSON of a float32's digits": (f"/v1/models/{name}:predict", files["few"], {}),
        "binary": (f"/v2/models/{name}/infer", files["binary"], {"Inference-Header-Content-Length": str(len(head))}),
    }


def _asked(served: Served, name: str, sequence: np.ndarray) -> dict[str, list[tuple[float, float, float]]]:
    """Seconds of the server's processor time a call, and the median and 99th percentile of what calls took."""
    figures: dict[str, list[tuple[float, float, float]]] = {}
    grpc = framed(f"rest-{name}", predict_request(name, [sequence]))
    for round_ in range(_ROUNDS):
        for way, (path, body, headers) in _ways(name, sequence).items():
            began = served.cpu
            took = posted(served.http_port, path, body, headers, _CALLS[name])
            cpu = (served.cpu - began) / _CALLS[name]
            figures.setdefault(way, []).append((cpu, *np.percentile(took, (50, 99)).tolist()))
        began = served.cpu
        took = durations(served.port, PREDICT, grpc, rate=1_000_000, calls=_CALLS[name], deadline=30)
        cpu = (served.cpu - began) / _CALLS[name]
        figures.setdefault("gRPC", []).append((cpu, *np.percentile(took, (50, 99)).tolist()))
        report.say("rest", f"{name}: round {round_ + 1} of {_ROUNDS}")
    return figures


def _beside(served: Served, sequences: dict[str, np.ndarray]) -> dict[str, list[tuple[float, float]]]:
    """The median and 99th percentile of gRPC calls of the small model, in seconds, beside each flood and none."""
    body = framed("rest-beside", predict_request("small", [sequences["small"]]))
    floods: dict[str, Any] = {"nothing": None, **{name: _ways(name, each)["JSON"] for name, each in sequences.items()}}
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in floods}
    for round_ in range(_ROUNDS):
        for name, flood in floods.items():
            with _flood(served, flood):
                calls = durations(served.port, PREDICT, body, rate=_RATE, calls=_BESIDE, deadline=30)
            p50, p99 = np.percentile(calls, (50, 99)).tolist()
            took[name].append((p50, p99))
        report.say("rest", f"beside: round {round_ + 1} of {_ROUNDS}")
    return took


@contextmanager
def _flood(served: Served, flood: tuple[str, Path, dict[str, str]] | None) -> Iterator[None]:
    if flood is None:
        yield
    else:
        with flooded(served.http_port, *flood):
            yield


def _draw(figure: Figure, figures: dict[str, Any], beside: dict[str, list[tuple[float, float]]]) -> None:
    left, right = figure.subplots(1, 2)
    bars = {f"{way} {list(_SHAPES[name])}": rounds for name, ways in figures.items() for way, rounds in ways.items()}
    left.barh(
        list(bars), [1e6 * Spread.of(each[0] for each in rounds).median for rounds in bars.values()], color="#2e7d6b"
    )
    left.bar_label(left.containers[0], fmt="%.0f us", padding=4)
    left.set(title="Processor time of the server a call", xlabel="microseconds", xscale="log")
    left.invert_yaxis()
    right.boxplot([[1e3 * p99 for _, p99 in took] for took in beside.values()], tick_labels=list(beside))
    right.set(title="gRPC's p99 beside a flood of JSON", ylabel="milliseconds", ylim=(0, None))
