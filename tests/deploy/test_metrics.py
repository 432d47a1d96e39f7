"""What /metrics shows, what its page says, and what a client can do to it."""

import re
import subprocess
import urllib.request

import numpy as np
import pytest

from carousel.client import Client
from carousel.errors import ModelNotFound
from carousel.instruments import INSTRUMENTS
from tests.deploy.tools import ROOT, tool


def _scrape(server) -> str:
    with urllib.request.urlopen(f"http://{server.metrics}/metrics") as answer:
        return answer.read().decode()


def _series(text: str) -> set[str]:
    return {line.rsplit(" ", 1)[0] for line in text.splitlines() if not line.startswith("#")}


def test_the_page_is_what_the_code_says():
    """docs/metrics.md lists every metric as the code has it; `python docs/metrics.py` writes it again."""
    page = (ROOT / "docs/metrics.md").read_text()
    for i in INSTRUMENTS:
        labels = ", ".join(f"`{label}`" for label in i.labels)
        assert f"| `{i.name}` | {i.kind} | {labels} | {i.text} |" in page
    assert len(re.findall(r"^\| `", page, re.MULTILINE)) == len(INSTRUMENTS)


def test_every_metric_of_the_page_is_served_and_passes_prometheus_own_lint(serve):
    """/metrics shows every metric by its name and kind, and promtool has nothing to say about it."""
    server = serve()
    with Client(server.address) as client:
        client.wait_until_serving(30)
    text = _scrape(server)
    for i in INSTRUMENTS:
        assert f"# TYPE {i.name} {i.kind}" in text
    promtool = tool("promtool", "prometheus")
    ours = "".join(line + "\n" for line in text.splitlines() if "python_gc" not in line)
    lint = subprocess.run([promtool, "check", "metrics"], input=ours, capture_output=True, text=True, check=False)
    assert (lint.returncode, lint.stdout + lint.stderr) == (0, "")


def test_no_client_makes_a_series(serve):
    """Requests for models, methods and versions that do not exist, and every kind of answer, add no series."""
    server = serve()
    with Client(server.address) as client:
        client.wait_until_serving(30)
        before = _series(_scrape(server))
        client.predict("lstm", [np.zeros((3, 8), np.float32)])
        for name in ("nobody", "x" * 200, 'quote"'):
            with pytest.raises(ModelNotFound):
                client.predict(name, [np.zeros((3, 8), np.float32)])
    assert _series(_scrape(server)) == before
