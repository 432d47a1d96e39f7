"""The pages of docs/ are true and whole: no link is dead, no error and no alert is missing, no setting is invented."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from carousel import errors
from carousel.errors import CarouselError
from carousel.settings import Settings
from carousel.wire.error_codes import code_of

ROOT = Path(__file__).parent.parent
PAGES = [*(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md")]
ERRORS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, CarouselError)]


def anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def dead(page, text):
    """Links of a page that lead nowhere inside the repository."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        place = page if not path else (page.parent / path).resolve()
        if not place.exists() or (anchor and place.suffix == ".md" and anchor not in anchors(place)):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_link_inside_is_dead(page):
    """Neither to a file nor to a heading."""
    assert list(dead(page, page.read_text())) == []


def test_a_dead_link_is_seen():
    """What looks for dead links can fail."""
    page = ROOT / "docs" / "errors.md"
    assert list(dead(page, "[a](nowhere.md) [b](errors.md#nothing) [c](alerts.md) `[d](nowhere.md)`")) == [
        "nowhere.md",
        "errors.md#nothing",
    ]


def test_each_error_has_its_row_and_its_code():
    """docs/errors.md has each class of carousel.errors once, and no other, with the code it travels as."""
    rows = re.findall(
        r"^\| `(\w+)` \| `(\w+)` \| (?:no|later|elsewhere) \| \S.* \|$",
        (ROOT / "docs/errors.md").read_text(),
        re.MULTILINE,
    )
    kinds = {kind for kind in ERRORS if kind is not CarouselError}
    assert sorted(rows) == sorted((kind.__name__, code_of(kind.__new__(kind)).name) for kind in kinds)


def test_each_alert_has_its_section():
    """docs/alerts.md has each alert of the rules, and what to do for it."""
    groups = yaml.safe_load((ROOT / "deploy/prometheus/rules.yaml").read_text())["groups"]
    alerts = [rule for group in groups for rule in group["rules"] if "alert" in rule]
    sections = dict(
        re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", (ROOT / "docs/alerts.md").read_text(), re.MULTILINE | re.DOTALL)
    )
    assert list(sections) == [rule["alert"] for rule in alerts]
    for rule in alerts:
        assert rule["annotations"]["runbook"].strip() in sections[rule["alert"]]


@pytest.mark.parametrize("name", ["errors.md", "live-sequences.md"])
def test_each_setting_that_is_named_exists(name):
    """`max_...` and `..._seconds` in the how-to pages are settings of the server."""
    named = set(re.findall(r"`((?:max|session)_\w+|\w+_seconds)`", (ROOT / "docs" / name).read_text()))
    assert named
    assert named <= set(Settings.model_fields)


def test_live_sequences_run_as_the_page_shows(serving):
    """The programs of docs/live-sequences.md, whose own asserts compare the bits."""
    for program in re.findall(r"```python\n(.*?)```", (ROOT / "docs/live-sequences.md").read_text(), re.DOTALL):
        here = program.replace("localhost:8500", serving.target)
        here = here.replace("localhost:8501", f"127.0.0.1:{serving.server.http_port}")
        exec(compile(here, "live-sequences.md", "exec"), {})


def test_the_pages_build_without_a_warning(tmp_path):
    """As `make docs` does: a reference that is dead or a docstring that cannot be read is a warning."""
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-W", "--keep-going", "-q", ROOT / "docs", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    reference = (tmp_path / "api.html").read_text()
    assert all(f'id="carousel.errors.{kind.__name__}"' in reference for kind in ERRORS)
    assert 'id="carousel.client.Client.predict"' in reference
