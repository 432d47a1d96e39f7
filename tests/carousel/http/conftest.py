"""Plain HTTP clients of a server of everything."""

from urllib.parse import urlsplit

import httpx
import pytest


@pytest.fixture(scope="session")
def web(serving):
    """A client of the HTTP port."""
    with httpx.Client(base_url=serving.metrics.removesuffix("/metrics"), timeout=30) as web:
        yield web


@pytest.fixture
def address(serving):
    """Host and port of HTTP, for clients that speak no HTTP."""
    found = urlsplit(serving.metrics)
    return found.hostname, found.port
