"""The page at / in a real browser: clicked through, read by a screen reader's rules, without an error."""

import json
import re
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest

ROOT = Path(__file__).parents[4]
AXE = ROOT / "build" / "tools" / "node_modules" / "axe-core" / "axe.min.js"


def predict(page, model, typed):
    """Choose a model, type a sequence, and press the button."""
    page.select_option("#model", model)
    page.fill("#sequence", typed)
    page.click("#try button[type=submit]")


def shown(page, place):
    """Read the numbers of a table."""
    return [float(cell) for cell in page.locator(f"{place} td").all_inner_texts()]


def test_it_says_what_is_served_and_how_busy(page, client):
    text = page.inner_text("#served article:has(h3:text-is('stack'))")
    for said in ("onnx", "stepwise, can be live", "[batch, timesteps, 64]", "[batch, 256]"):
        assert said in text, text
    assert re.findall(r"^lstm\w* \[(\d+)\]$", text, re.MULTILINE) == ["128", "256"]
    assert "whole" in page.inner_text("#served article:has(h3:text-is('whole'))")
    assert page.inner_text("#condition").startswith("Serving ")
    client.predict("small", [np.ones((5, 3), np.float32)])
    page.wait_for_selector("#busy-rows svg[aria-label^='Rows a tick']")
    assert page.locator("#busy svg").count() == 6


@pytest.mark.parametrize("form", ["csv", "header", "json", "batch", "file"])
def test_a_sequence_typed_or_dropped_gives_what_carousel_v1_gives(page, client, tmp_path, form):
    steps = np.random.default_rng(1).standard_normal((9, 3)).round(3).astype(np.float32)
    [known] = client.predict("small", [steps], return_sequences=True)
    csv = "\n".join(",".join(map(str, step)) for step in steps.tolist())
    typed = {
        "header": f"a,b,c\n{csv}",
        "json": json.dumps(steps.tolist()),
        "batch": json.dumps({"instances": [steps.tolist()]}),
    }.get(form, csv)
    if form == "file":
        page.select_option("#model", "small")
        (tmp_path / "steps.csv").write_text(typed)
        page.set_input_files("#file", tmp_path / "steps.csv")
        page.wait_for_function("() => document.getElementById('sequence').value.split('\\n').length === 9")
        page.click("#try button[type=submit]")
    else:
        predict(page, "small", typed)
    page.wait_for_selector("#whole svg")
    assert shown(page, "#last") == [float(f"{value:.4g}") for value in known.output[-1].tolist()]
    assert page.locator("#whole svg polyline").count() == 2
    assert len(page.locator("#whole polyline").first.get_attribute("points").split()) == 9


def test_the_lines_that_do_the_same_do(page, client, serving):
    """Run as they stand: curl and Python; grpcurl's document is the protocol's own."""
    steps = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
    [known] = client.predict("small", [steps], return_sequences=True)
    predict(page, "small", "1,2,3\n4,5,6")
    page.wait_for_selector("#with-curl")
    told = {name: page.inner_text(f"#with-{name}") for name in ("curl", "Python", "grpcurl")}
    curl = subprocess.run(told["curl"], shell=True, capture_output=True, timeout=60, check=True)
    assert np.float32(json.loads(curl.stdout)["predictions"][0]).tobytes() == known.output.tobytes()
    python = subprocess.run([sys.executable, "-c", told["Python"]], capture_output=True, timeout=60, check=True)
    assert python.stdout.decode().strip() == str(known.output)
    assert told["grpcurl"].endswith(f"127.0.0.1:{serving.server.port} inference.GRPCInferenceService/ModelInfer")
    assert json.loads(re.search(r"-d '(.*)'", told["grpcurl"])[1])["inputs"][0]["shape"] == [1, 2, 3]


def test_what_is_wrong_is_said_beside_it(page):
    for typed, said in {
        "": "There is no timestep",
        "1,2": "Line 1 has 2 numbers, expected 3",
        "a,b,c": "Line 1 holds",
    }.items():
        predict(page, "small", typed)
        page.wait_for_function("text => document.getElementById('problem').textContent.startsWith(text)", arg=said)
    assert page.locator("#answer").is_hidden()


def test_a_live_sequence_fed_line_by_line_is_that_of_one_call(page, client):
    """By the keyboard alone, then all lines of the text, then anew."""
    steps = np.array([[1, 2, 3], [0.5, 0, -1], [2, 2, 2]], np.float32)
    page.select_option("#model", "small")
    for i, step in enumerate(steps.tolist()):
        page.fill("#line", ", ".join(map(str, step)))
        page.press("#line", "Enter")
        page.wait_for_selector(f"#live-state:text('{i + 1} timestep')")
    [known] = client.predict("small", [steps], return_sequences=True)
    label = page.get_attribute("#live-drawn svg", "aria-label")
    low, high = known.output.min().item(), known.output.max().item()
    assert label == f"Output so far: 2 units over 3 timesteps, {low:.4g} to {high:.4g}"
    page.click("#begin-anew")
    page.fill("#sequence", "\n".join(",".join(map(str, step)) for step in steps.tolist()))
    page.click("#feed-all")
    page.wait_for_selector("#live-state:text('3 timesteps')")
    assert page.get_attribute("#live-drawn svg", "aria-label") == label
    page.select_option("#model", "whole")
    page.wait_for_selector("#feed:disabled")


def test_a_live_sequence_of_fixed_timesteps_slides(page, client):
    """The seventh line is answered for the second to the seventh."""
    steps = np.random.default_rng(2).standard_normal((7, 3)).round(2).astype(np.float32)
    known = np.stack([each.output for each in client.predict("fixed", [steps[:6], steps[1:]])])
    page.select_option("#model", "fixed")
    page.fill("#sequence", "\n".join(",".join(map(str, step)) for step in steps.tolist()))
    page.click("#feed-all")
    page.wait_for_selector("#live-state:text('7 timesteps')")
    low, high = known.min().item(), known.max().item()
    label = page.get_attribute("#live-drawn svg", "aria-label")
    assert label == f"Output so far: 2 units over 2 timesteps, {low:.4g} to {high:.4g}"
    page.fill("#line", "1, 2")
    page.press("#line", "Enter")
    page.wait_for_selector("#live-problem:text('Line 8 has 2 numbers')")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible_by_axes_rules(page, scheme):
    """WCAG 2.1 A and AA and the best practices, with everything shown that there is to show."""
    if not AXE.exists():
        pytest.skip("axe-core is not here: run tests/tools")
    page.emulate_media(color_scheme=scheme)
    predict(page, "small", "1,2,3\n4,5,6")
    page.fill("#line", "1,2,3")
    page.press("#line", "Enter")
    page.wait_for_selector("#live-drawn svg")
    page.wait_for_selector("#snippets pre")
    page.wait_for_selector("#busy svg")
    page.evaluate(AXE.read_text())
    found = page.evaluate("async () => (await axe.run()).violations.map(v => [v.id, v.nodes.map(n => n.html)])")
    assert found == []


def test_where_doors_are_locked_it_asks_for_a_token_first(browser, server, tmp_path):
    """And shows nothing before."""
    (tmp_path / "tokens.toml").write_text(f'[one]\ntoken = "{"p" * 32}"\nscopes = ["predict"]\n')
    locked = server(tokens=tmp_path / "tokens.toml")
    page = browser.new_page()
    page.set_default_timeout(20_000)
    page.goto(f"http://127.0.0.1:{locked.server.http_port}/")
    page.wait_for_selector("#door:visible")
    assert page.locator("#served article").count() == 0
    page.fill("#token", "p" * 32)
    page.press("#token", "Enter")
    page.wait_for_selector("#served article")
    page.click("#try button[type=submit]")
    page.wait_for_selector("#last td")
    page.fill("#line", "1,2,3")
    page.press("#line", "Enter")
    page.wait_for_selector("#live-drawn svg")
    assert page.locator("#door").is_hidden()
    page.close()


def test_the_page_is_off_by_a_setting_and_asks_nothing_from_elsewhere(server):
    without = server(http_page=False)
    with httpx.Client(base_url=f"http://127.0.0.1:{without.server.http_port}") as web:
        assert web.get("/").status_code == 404
        assert web.get("/page/state").status_code == 404
        assert web.get("/readyz").status_code == 200
