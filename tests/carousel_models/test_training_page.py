"""docs/training.md does not rot: its commands are run in their order, on less data and fewer epochs."""

import io
import json
import re
import shlex
import shutil
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from pathlib import Path

import pytest

from carousel.cli import main
from carousel_models.training import tuning

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/training.md").read_text("utf-8")
LINES = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
LESS = {"epochs = 80": "epochs = 1", "epochs = 20": "epochs = 1", "trials = 40": "trials = 4", "[7, 14, 30]": "[2, 3]"}


class Here(Executor):
    """Fit in this process, one after another: it has TensorFlow already."""

    def submit(self, function, *arguments):
        future = Future()
        future.set_result(function(*arguments))
        return future


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Stand in a folder with our recipes, some of the rows of their files, and one epoch each."""
    for path in (ROOT / "models" / "recipes").iterdir():
        said = path.read_text("utf-8")
        for more, less in LESS.items():
            said = said.replace(more, less)
        (tmp_path / "models" / "recipes").mkdir(parents=True, exist_ok=True)
        (tmp_path / "models" / "recipes" / path.name).write_text(said, "utf-8")
    shutil.copytree(ROOT / "models" / "datasets", tmp_path / "models" / "datasets")
    for name, some in (("word_definitions", slice(None, None, 20)), ("seattle_weather", slice(500))):
        table = tmp_path / "models" / "datasets" / f"{name}.csv"
        header, *rows = table.read_text("utf-8").splitlines()
        table.write_text("\n".join([header, *rows[some]]) + "\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tuning, "SEEDS", 1)
    monkeypatch.setattr(tuning, "FINALISTS", 1)

    @contextmanager
    def processes(_):
        yield Here()

    monkeypatch.setattr(tuning, "processes", processes)
    return tmp_path


@pytest.mark.timeout(900)  # half a minute of one core, and cores may be shared
def test_every_command_of_the_page_is_run(folder, started, monkeypatch, capsys):
    """The server is one of this process, since `carousel serve` would hold the page up."""
    server = None
    try:
        for line in LINES:
            said, _, piped = line.rpartition(" | ")
            if said:
                monkeypatch.setattr("sys.stdin", io.StringIO(shlex.split(said)[1] + "\n"))
            program, *words = shlex.split(piped)
            assert program == "carousel"
            if words[0] == "serve":
                assert words[1] == "--repository"
                server = started(repository=folder / words[2])
                continue
            quiet = ["--quiet"] if words[0] in {"train", "tune"} else []
            target = ["--target", server.target] if words[0] == "predict" else []
            assert main([*words, *quiet, *target]) == 0, line
    finally:
        if server is not None:
            server.stop()
    printed = capsys.readouterr().out.splitlines()
    [answer] = [json.loads(line) for line in printed if line.startswith("[0")]
    assert len(answer) == 6
    assert sum(answer) == pytest.approx(1, abs=1e-5)
    [shown] = re.findall(r"\n\n```\n(.*?)```", PAGE, re.DOTALL)
    assert set(shown.splitlines()) <= set(printed)
    written = {path.relative_to(folder / "build").as_posix() for path in (folder / "build").rglob("*.*")}
    assert {
        "train/seattle-weather/report/report.html",
        "explain/model/0_lstm_0.png",
        "tune/seattle-weather/best.toml",
        "tune/seattle-weather/history.png",
        "tune/seattle-weather/importance.png",
    } <= written


def test_the_pictures_and_files_that_the_page_names_are_there():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", PAGE):
        assert (ROOT / "docs" / target).exists()
