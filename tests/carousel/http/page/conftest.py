"""A real browser: the system's Chromium, driven by Playwright."""

import shutil

import pytest
from playwright.sync_api import sync_playwright


@pytest.fixture(scope="module")
def browser():
    """A browser without a window."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("there is no Chromium here: tests/tools installs it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser, serving):
    """The page, opened; whatever it complained of, and whatever it asked of elsewhere, fails the test."""
    context = browser.new_context(bypass_csp=False, viewport={"width": 1100, "height": 900})
    context.set_default_timeout(20_000)
    page, said, asked = context.new_page(), [], []
    page.on("console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    home = f"http://127.0.0.1:{serving.server.http_port}/"
    page.goto(home)
    page.wait_for_selector("#served article")
    yield page
    context.close()
    assert not said
    assert all(url.startswith((home, "data:")) for url in asked)
