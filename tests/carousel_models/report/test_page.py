"""The report's page is one file that stands by itself, and says what the figures say."""

import json
import re
from html.parser import HTMLParser

import pytest

from carousel.cli import main
from tests.carousel_models.training.waves import RECIPE, write

CLASSES = """
name = "<classes>"
source = { kind = "aeon", dataset = "basic_motions" }
stack = [{ units = 2 }]
heads = [{ units = 4, activation = "softmax" }]
fit = { loss = "sparse_categorical_crossentropy", epochs = 1 }
""".replace("<classes>", "classes")


class Page(HTMLParser):
    """What a page shows, and what it would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.images: dict[str, str] = {}
        self.fetched: list[str] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        said = dict(attrs)
        if tag not in {"meta", "img"}:
            self.open.append(tag)
        if tag == "img":
            self.images[said["alt"]] = said["src"]
        self.fetched += [said[key] for key in ("src", "href", "srcset", "data") if key in said]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize(
    ("recipe", "pictures"),
    [
        (
            RECIPE.replace("seed = 3", 'seed = 3\norigin = "<b>found</b> by hand"'),
            ["Splits", "Losses", "Forecast and truth", "Errors by season and horizon", "Residuals"],
        ),
        (CLASSES, ["Losses", "Confusion", "Calibration"]),
    ],
    ids=["forecast", "classes"],
)
def test_the_page_holds_everything_itself(recipe, pictures, tmp_path, capsys):
    """Pictures are in it, nothing is fetched, every tag is closed; the command prints the same figures as JSON."""
    path = write(tmp_path, recipe)
    assert main(["train", str(path), "--output", str(tmp_path / "out"), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    page = Page((tmp_path / "out" / "report" / "report.html").read_text("utf-8"))
    assert page.open == []
    assert list(page.images) == pictures
    assert all(source.startswith("data:image/png;base64,iVBOR") for source in page.fetched)
    assert figures["verdict"] in page.text
    for layer in figures["layers"]:
        assert layer["name"] in page.text
        assert layer["output"] in page.text
    assert figures["versions"]["keras"] in page.text
    assert re.search(rf"test{figures['examples']['test']['count']}", page.text)
    if "origin" in figures["recipe"]:
        assert "Its settings are <b>found</b> by hand." in page.text
        assert "No value is missing." in page.text
