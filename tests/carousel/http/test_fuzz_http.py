"""Whatever arrives at the HTTP port, the answer is in words: never a bug, never a warning, and the next is served.

The paths are those the server has registered: a new one is fuzzed by being there. Bodies begin as ones that are
answered and have parts replaced, or bytes damaged. The small run is the same each time; HTTP_FUZZ_EXAMPLES in the
environment sets how many `make soak` tries of each kind.
"""

import base64
import copy
import gzip
import json
import logging
import os
import re
import socket
import zlib
from contextlib import suppress

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from carousel.client import Client
from carousel.http.documents import shown
from carousel.telemetry import Usage

BUGS = {*range(500, 600)} - {501, 503, 505}  # not implemented, a model that is not ready, not this version of HTTP
STEPS = np.ones((2, 3), np.float32)
TENSOR = {"name": "inputs", "datatype": "FP32", "shape": [1, 2, 3], "data": STEPS.ravel().tolist()}
GOOD = [
    {"instances": [STEPS.tolist()]},
    {"instances": [{"x": STEPS.tolist()}], "signature_name": "serving_default"},
    {"inputs": {"x": [STEPS.tolist()]}, "signature_name": "sequence"},
    {"inputs": [TENSOR], "outputs": [{"name": "sequence"}], "id": "a"},
    {"inputs": [TENSOR], "parameters": {"sequence_id": "a", "sequence_start": True, "sequence_end": True}},
    {"inputs": [TENSOR | {"data": None, "parameters": {"binary_data_size": 24}}]},
    {"ready": True},
    {"parameters": {"unload_dependents": True}},
]
LIVE = [
    {"open": {"return_sequences": True, "window": 2}, "input": STEPS.tolist(), "return_state": True},
    {"open": {"initial_state": base64.b64encode(b"CRSL" + bytes(60)).decode()}, "input": [[1, 2, 3]]},
    {"input": {"x": STEPS.tolist()}, "close": True},
]
WORDS = st.sampled_from(
    ["small", "nothing", "\ud800NaN", "1", "2", "0", "-1", "9" * 400, "%00", "%ff", "..", "\N{HORSE}", "a" * 5000]
)
RESTS = st.sampled_from(
    [
        *(f"models/small{end}" for end in (":predict", ":classify", ":regress", "/metadata", "", "/live", ":")),
        *(f"models/small/{which}" for which in ("versions/1:predict", "versions/x", "labels/stable:predict")),
        *("models/", "models//:predict", "models/%F0%9F%90%B4:predict", "nothing", ""),
    ]
)
NUMBERS = st.sampled_from(
    [0, 1, -1, 2**31, 2**63, 2**64, -(2**63), 10**400, 1e308, -1e-308, float("nan"), float("inf")]
)
LEAVES = st.none() | st.booleans() | NUMBERS | st.floats() | st.text(max_size=8) | WORDS
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["x", "b64", "inputs"]), inner),
    max_leaves=12,
)
HEADERS = {
    "content-type": ["application/json", "application/octet-stream", "text/plain; charset=utf-7", "", "/"],
    "content-encoding": ["gzip", "deflate", "br", "identity", "gzip, gzip"],
    "accept-encoding": ["gzip", "deflate", "identity;q=0", "*;q=nothing"],
    "inference-header-content-length": ["0", "-1", "40", "1e3", "9" * 400, "x", "\xff"],
    "accept": ["*/*", "application/openmetrics-text", "application/x-nothing"],
    "authorization": ["Bearer \xff", "Basic ", "Bearer " + "a" * 4000],
    "traceparent": ["00-" + "1" * 32 + "-" + "1" * 16 + "-01", "\xff"],
    "x-request-id": ["a", "\xff" * 300],
    "expect": ["100-continue", "nothing"],
    "connection": ["close", "upgrade", "keep-alive, \xff"],
    "upgrade": ["websocket", "h2c"],
    "sec-websocket-key": ["a", "AQIDBAUGBwgJCgsMDQ4PEA=="],
    "origin": ["null", "https://example.com", "\xff"],
    "transfer-encoding": ["chunked"],
    "range": ["bytes=0-1"],
}


def places(document, way=()):
    """Every place in a JSON document."""
    yield way
    pairs = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, inner in pairs:
        yield from places(inner, (*way, key))


@st.composite
def documents(draw, good):
    """One that is answered, with some of its parts replaced, left out or doubled."""
    document = copy.deepcopy(draw(st.sampled_from(good)))
    for _ in range(draw(st.integers(0, 3))):
        way = draw(st.sampled_from(list(places(document))))
        if not way:
            return draw(VALUES)
        holder = document
        for key in way[:-1]:
            holder = holder[key]
        match draw(st.integers(0, 3)):
            case 0:
                del holder[way[-1]]
            case 1 if isinstance(holder, dict):
                holder[draw(st.text(max_size=5))] = draw(VALUES)
            case _:
                holder[way[-1]] = draw(VALUES)
    return document


@st.composite
def damaged(draw, content):
    """Some bytes of it replaced, left out, doubled or cut off."""
    content = bytearray(content)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(content)))
        match draw(st.integers(0, 3)):
            case 0:
                del content[at : at + draw(st.integers(1, 40))]
            case 1:
                content[at : at + 1] = draw(st.binary(min_size=1, max_size=2))
            case 2:
                content[at:at] = content[at : at + 20]
            case 3:
                content[at:at] = draw(st.binary(max_size=8))
    return bytes(content)


@st.composite
def bodies(draw, good=GOOD):
    """A document as bytes, with raw tensors behind it, compressed, damaged; or bytes of chance."""
    body = json.dumps(draw(documents(good))).encode(errors="surrogatepass")
    body += draw(st.sampled_from([b"", b"", STEPS.tobytes(), bytes(3)]))
    body = draw(st.sampled_from([bytes, bytes, bytes, gzip.compress, zlib.compress]))(body)
    return draw(st.just(body) | damaged(body) | st.binary(max_size=60))


@st.composite
def requests(draw, paths):
    """A method, a target, headers and a body."""
    path = re.sub(r"\{\w+:path\}", lambda _: draw(RESTS), draw(st.sampled_from(paths)))
    path = re.sub(r"\{\w+\}", lambda _: draw(WORDS), path)
    path += draw(st.sampled_from(["", "", "", "?", "?allow_no_model=1&x=%ff", "/", ";a"]))
    names = draw(st.lists(st.sampled_from(list(HEADERS)), max_size=4))
    headers = [(name, draw(st.sampled_from(HEADERS[name]))) for name in names]
    method = draw(
        st.sampled_from(["POST"] * 6 + ["GET", "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "a"])
    )
    return method, path.encode(errors="surrogatepass"), headers, draw(bodies())


def written(method, path, headers, body):
    """The request as it goes over the wire."""
    lines = [f"{method} ".encode() + path + b" HTTP/1.1", b"host: a", b"content-length: %d" % len(body)]
    lines += [name.encode() + b": " + value.encode("latin-1") for name, value in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def told(address, content):
    """Send bytes and no more; return the status codes of what comes back until the server hangs up."""
    with socket.create_connection(address, timeout=30) as connection, suppress(ConnectionError):
        came = b""
        connection.sendall(content)
        connection.shutdown(socket.SHUT_WR)
        while more := connection.recv(1 << 16):
            came += more
        assert not came or came.startswith(b"HTTP/1.1 "), came[:200]
        return [int(code) for code in re.findall(rb"^HTTP/1\.1 (\d{3})", came)]
    return []


@pytest.fixture(scope="module")
def fuzzed(started, only):
    """A server, and the paths of its HTTP port."""
    serving = started(repository=only("small"), repository_control=False, http_timeout_seconds=10)
    application = serving.server._endpoint._server.config.app
    yield serving, sorted({route.path for route in application.routes})
    serving.stop()


@given(VALUES)
def test_whatever_came_can_be_repeated_in_an_error(value):
    """Also what JSON's fast writer refuses: whole numbers of more than 64 bits, half a surrogate."""
    assert 0 < len(shown(value)) < 1000


FEW = settings(max_examples=120, derandomize=True, database=None, deadline=None)
MANY = settings(
    max_examples=int(os.environ.get("HTTP_FUZZ_EXAMPLES", "100000")),
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def try_requests(serving, paths, how):
    """Whole requests: the server may refuse them, and answers each."""
    address, seen = ("127.0.0.1", serving.server.http_port), set()

    @how
    @given(requests(paths))
    @example(("GET", b"/v1/models/nothing", [], b""))
    def refuse(request):
        codes = told(address, written(*request))
        assert not BUGS.intersection(codes), (codes, request)
        seen.update(codes)

    refuse()
    assert 404 in seen  # one that runs may end unanswered: its sender has hung up, and `check` asks for that


def try_bytes(serving, paths, how):
    """Requests that are damaged anywhere, in their first line and headers too."""
    address = ("127.0.0.1", serving.server.http_port)
    good = [written("POST", b"/v1/models/small:predict", [], json.dumps(GOOD[0]).encode())]
    good += [written("GET", path.encode(), [], b"") for path in paths]
    good += [
        b"POST /v2/models/small/infer HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    ]
    good.append(
        b"GET /v1/models/small/live HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
        b"sec-websocket-version: 13\r\nsec-websocket-key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n\r\n"
        b"\x81\x82\x00\x00\x00\x00{}\x88\x80\x00\x00\x00\x00"
    )

    @how
    @given(st.sampled_from(good).flatmap(damaged))
    def refuse(content):
        codes = told(address, content)
        assert not BUGS.intersection(codes), (codes, content)

    refuse()


def try_live(serving, _paths, how):
    """Messages over a WebSocket: each is answered, or the connection is closed for a reason that is not a bug."""
    address = f"ws://127.0.0.1:{serving.server.http_port}/v1/models/small/live"

    @how
    @given(st.lists(documents(LIVE).map(json.dumps) | bodies(LIVE), min_size=1, max_size=4))
    def refuse(messages):
        with connect(address, open_timeout=30, close_timeout=5, compression=None) as talk, suppress(ConnectionClosed):
            for message in messages:
                talk.send(message)
                talk.recv(timeout=30)
        assert talk.close_code != 1011, messages

    refuse()


TRIALS = [try_requests, try_bytes, try_live]


def check(fuzzed, trial, how, caplog):
    serving, paths = fuzzed
    if how is MANY:
        trial(serving, paths, settings(how, max_examples=500))
    before = Usage.now().resident_bytes
    trial(serving, paths, how)
    assert Usage.now().resident_bytes - before < 128 << 20
    web = httpx.post(f"http://127.0.0.1:{serving.server.http_port}/v1/models/small:predict", json=GOOD[0])
    with Client(serving.target) as polite:
        [known] = polite.predict("small", [STEPS], timeout=30)
    assert np.float32(web.json()["predictions"][0]).tobytes() == known.output.tobytes()
    assert not [record for record in caplog.records if record.exc_info or record.levelno >= logging.WARNING]


@pytest.mark.parametrize("trial", TRIALS)
def test_nothing_that_arrives_over_http_is_answered_by_a_bug(fuzzed, trial, caplog):
    check(fuzzed, trial, FEW, caplog)


@pytest.mark.soak
@pytest.mark.parametrize("trial", TRIALS)
def test_of_very_many_nothing_is_answered_by_a_bug(fuzzed, trial, caplog):
    check(fuzzed, trial, MANY, caplog)
