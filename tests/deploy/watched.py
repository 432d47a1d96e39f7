"""A real Prometheus on loopback, and load for it to see."""

import json
import math
import re
import secrets
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import yaml

from carousel.client import Client
from carousel.errors import CarouselError
from carousel.stubs.v1.inference_pb2 import PredictRequest
from carousel.stubs.v1.inference_pb2_grpc import InferenceServiceStub
from carousel.wire import write_tensor
from tests.deploy.callers import Callers
from tests.deploy.tools import ROOT, Served, tool

RULES = ROOT / "deploy/prometheus/rules.yaml"


_GIB = 150 << 20


def hurried(rules: str) -> str:
    """Let every minute of the rules last a second, every hour a minute, and a GiB be 150 MiB: a test sees them fire."""
    rules = re.sub(r"\b(\d+)([mh])\b", lambda found: found[1] + {"m": "s", "h": "m"}[found[2]], rules)
    return rules.replace(str(2 << 30), str(2 * _GIB))


class Prometheus:
    """Scrapes every second, as it would every minute."""

    def __init__(self, folder: Path, targets: dict[str, dict[str, str]]) -> None:
        """Scrape `targets`, addresses by instance, by job; keep everything in `folder`."""
        (folder / "rules.yaml").write_text(hurried(RULES.read_text()))
        jobs = [{"job_name": job, "static_configs": _static(addresses)} for job, addresses in targets.items()]
        every = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config = {"global": every, "rule_files": ["rules.yaml"], "scrape_configs": jobs}
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
        flags = (
            "--web.listen-address=127.0.0.1:0",
            f"--storage.tsdb.path={folder / 'data'}",
            "--enable-feature=exemplar-storage",
        )
        self._process = subprocess.Popen(
            [tool("prometheus", "prometheus"), f"--config.file={folder / 'prometheus.yaml'}", *flags],
            stderr=subprocess.PIPE,
            text=True,
        )
        for line in self._process.stderr:
            if listening := re.search(r'msg="Listening on" address=(\S+)', line):
                self._address = listening[1]
                break
        threading.Thread(target=self._process.stderr.read, daemon=True).start()
        assert until(self._ready, 60), "Prometheus did not get ready"

    def now(self, query: str) -> list[dict]:
        """Ask for the value of the moment: samples of {metric, value}."""
        return self._ask("query", query=query)

    def lately(self, query: str, seconds: float, step: float = 1.0) -> list[dict]:
        """Ask for the values of the last `seconds`: series of {metric, values}."""
        now = time.time()
        return self._ask("query_range", query=query, start=now - seconds, end=now, step=step)

    def exemplars(self, query: str) -> list[dict]:
        """Ask for what lies behind a query of the last minutes: exemplars of {labels, value, timestamp}."""
        now = time.time()
        series = self._get("query_exemplars", query=query, start=now - 300, end=now + 1)
        return [exemplar for one in series for exemplar in one["exemplars"]]

    def end(self) -> None:
        self._process.kill()
        self._process.wait()

    def _ready(self) -> bool:
        try:
            return urllib.request.urlopen(f"http://{self._address}/-/ready").status == 200
        except urllib.error.HTTPError:
            return False

    def _ask(self, kind: str, **parameters: object) -> list[dict]:
        return self._get(kind, **parameters)["result"]

    def _get(self, kind: str, **parameters: object) -> Any:
        url = f"http://{self._address}/api/v1/{kind}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url) as answer:
            return json.load(answer)["data"]


def _static(addresses: dict[str, str]) -> list[dict]:
    return [{"targets": [address], "labels": {"instance": name}} for name, address in addresses.items()]


class Load(Callers):
    """Clients on threads that ask for sequences of lognormal length, one request after the other."""

    def __init__(self, server: Served, model: str, input_dim: int, *, clients: int = 2, **how) -> None:
        """Ask `server`; `how` is what Client.predict takes, and `samples`, `median`, `every`: size and pace."""
        self._model, self._input_dim = model, input_dim
        self._samples, self._median = how.pop("samples", 1), how.pop("median", 20)
        self._every, self._how = how.pop("every", 0.01), how
        super().__init__(server.address, clients)

    def _ask(self, client: Client, random: np.random.Generator) -> None:
        while not self._over.wait(random.exponential(self._every)):
            lengths = 1 + random.lognormal(np.log(self._median), 0.8, self._samples).astype(int)
            sequences = [random.standard_normal((length, self._input_dim), np.float32) for length in lengths]
            try:
                client.predict(self._model, sequences, **self._how)
            except CarouselError:
                continue  # some loads are there to be refused


def traced(server: Served, model: str, input_dim: int) -> str:
    """Ask for a prediction as part of a trace; return the trace's id."""
    trace = secrets.token_hex(16)
    request = PredictRequest(model=model)
    write_tensor(np.zeros((3, input_dim), np.float32), request.inputs.add())
    with grpc.insecure_channel(server.address) as channel:
        metadata = (("traceparent", f"00-{trace}-{secrets.token_hex(8)}-01"),)
        InferenceServiceStub(channel).Predict(request, metadata=metadata)
    return trace


def panels(dashboard: Path) -> list[tuple[str, dict]]:
    """List the panels of the dashboard's JSON, each with the question it answers."""
    question, found = "", []
    for panel in json.loads(dashboard.read_text())["panels"]:
        if panel["type"] == "row":
            question = panel["title"]
        else:
            found.append((question, panel))
    return found


def asked(target: dict) -> str:
    """Put a panel's query as Grafana would, with every variable at All."""
    query = target["expr"].replace("$__rate_interval", "5s")
    return query.replace("$job", ".+").replace("$instance", ".+")


def numbers(series: list[dict]) -> list[float]:
    """List the values of a query_range that are numbers."""
    return [float(v) for each in series for _, v in each["values"] if not math.isnan(float(v))]


def until(true: Callable[[], bool], seconds: float) -> bool:
    """Wait until something is true, at most so long."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.25)
    return True
