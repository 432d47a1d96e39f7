"""`carousel demo`: the whole job on real data, with a real server."""

import argparse
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np

from carousel.cli import training
from carousel.errors import CarouselError

_SHOWN = 8


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "demo",
        help="train, export, serve and predict in one go",
        description="Train RECIPE.toml (a forecast), export it, start the server, send it held-out sequences, print "
        "the answers beside the truth, and stop. Leaves the exported model in the repository for `carousel serve`.",
    )
    parser.add_argument("recipe", type=Path, metavar="RECIPE.toml", help="like models/recipes/seattle_weather.toml")
    parser.add_argument("--repository", type=Path, default=Path("models/repository"), metavar="DIR")
    parser.add_argument("--name", default="weather", help="the name it is served by [weather]")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Do the whole job."""
    _say(f"1. Train {given.recipe}")
    result = training.module("training").train(given.recipe)
    _say(str(result))
    _say("\n2. Export")
    folder = training.module("export").export(result.model, given.repository, given.name)
    _say(f"{folder}")
    _say("\n3. Serve, and predict what was held out")
    with tempfile.TemporaryFile("w+") as log:
        _serve_and_ask(given, np.load(result.held_out), log)
    _say(f"\nReport:  {result.report[0].parent}\nServe it again: make serve")
    return 0


def _serve_and_ask(given: argparse.Namespace, held_out: Any, log: Any) -> None:
    command = [sys.executable, "-m", "carousel", "serve", "--repository", str(given.repository)]
    loopback = ["--host", "127.0.0.1", "--port", "0", "--http-host", "127.0.0.1", "--http-port", "0"]
    server = subprocess.Popen(  # noqa: S603 - our own command
        [*command, *loopback, "--drain-notice-seconds", "0"], stdout=subprocess.PIPE, stderr=log, text=True
    )
    try:
        assert server.stdout is not None
        said = server.stdout.readline().strip()
        if not said:
            log.seek(0)
            raise CarouselError(f"the server did not start:\n{log.read()}")
        _say(said)
        target, metrics = said.removeprefix("gRPC on ").split(", metrics on ")
        _ask(target, given.name, held_out)
        _count(metrics)
    finally:
        server.terminate()
        code = server.wait(30)
    _say(f"Server:  stopped, exit status {code}")


def _ask(target: str, name: str, held_out: Any) -> None:
    from carousel.client import Client  # noqa: PLC0415 - gRPC takes a moment to import

    truth = held_out["targets"]
    shown = np.linspace(0, len(truth) - 1, _SHOWN).astype(int)
    sequences = [held_out[f"inputs_{i}"] for i in shown]
    with Client(target) as client:
        client.wait_until_serving(timeout=30)
        last = client.predict(name, sequences)
        full = client.predict(name, sequences, return_sequences=True)
    _say(f"\n{'held out':>10}  {'last step':>20}  {'truth':>20}  {'the full sequence ends':>40}")
    for i, answer, whole in zip(shown, last, full, strict=True):
        tail = "  ".join(_numbers(step) for step in whole.output[-3:])
        _say(f"{i:>10}  {_numbers(answer.output):>20}  {_numbers(truth[i]):>20}  {tail:>40}")
    same = all(np.array_equal(a.output, b.output[-1]) for a, b in zip(last, full, strict=True))
    shape = "x".join(map(str, full[0].output.shape))
    _say(f"\nEach full sequence is {shape}; its last step equals the last-step answer to the bit: {same}")


def _count(metrics: str) -> None:
    with urllib.request.urlopen(metrics) as page:  # noqa: S310 - our own server's loopback address
        lines = page.read().decode().splitlines()
    for start in ('grpc_server_handled_total{grpc_code="OK",grpc_method="Predict"', "carousel_steps_total"):
        _say("Metrics: " + next(line for line in lines if line.startswith(start)))


def _numbers(values: Any) -> str:
    return " ".join(f"{value:.1f}" for value in np.ravel(values))


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a command's answer
