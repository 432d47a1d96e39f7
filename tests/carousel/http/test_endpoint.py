"""The port itself: probes, limits, time limits, TLS, and its end."""

import gzip
import socket
import ssl
import sys
import time

import httpx
import pytest
import trustme

from carousel.http import Bounds, Endpoint
from carousel.transport import listen


def test_probes_say_what_is_true(web, bare, tmp_path):
    """One without a model lives, and is not ready; unknown paths are no probes."""
    assert (web.get("/livez").status_code, web.get("/readyz").status_code) == (200, 200)
    empty = bare(repository=tmp_path, drain_notice_seconds=0)
    assert empty.listening.wait(30)
    with httpx.Client(base_url=empty.metrics.removesuffix("/metrics"), timeout=30) as other:
        assert other.get("/livez").status_code == 200
        response = other.get("/readyz")
        assert (response.status_code, response.text) == (503, "no model is served\n")
        assert other.get("/healthz").status_code == 404


def test_metrics_are_where_both_kinds_of_dashboards_look(web):
    for path in ("/metrics", "/monitoring/prometheus/metrics"):
        assert "carousel_serving 1.0" in web.get(path).text


@pytest.mark.usefixtures("web")
def test_threads_beside_that_of_http_have_their_turn_within_a_millisecond():
    assert sys.getswitchinterval() < 1e-3


def test_a_draining_server_says_so_and_answers_what_it_took(server):
    draining = server(drain_notice_seconds=1)
    with httpx.Client(base_url=draining.metrics.removesuffix("/metrics"), timeout=30) as web:
        draining.server.drain()
        response = web.get("/readyz")
        assert (response.status_code, response.text) == (503, "the server is notice\n")
        assert web.post("/v1/models/small:predict", json={"instances": [[[1, 2, 3]]]}).status_code == 200
    assert draining.join() == 0


def read_to_end(connection):
    """Read until the server ends the connection, 20 s at most."""
    connection.settimeout(20)
    read = b""
    while piece := connection.recv(4096):
        read += piece
    return read


async def _echo(_scope, receive, send):
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def endpoint():
    """Serve a program that says ok, with bounds of a test's own."""
    running = []

    def start(**options):
        running.append(Endpoint(listen("127.0.0.1", 0), _echo, **options))
        running[-1].start()
        return running[-1]

    yield start
    for each in running:
        each.stop()


HALVES = {"nothing": b"", "half a line": b"GET / HT", "half of the headers": b"GET / HTTP/1.1\r\nHost: a\r\n"}


@pytest.mark.parametrize("sent", HALVES)
def test_who_sends_no_whole_request_in_time_is_let_go(endpoint, sent):
    """On the first request of a connection, and on a later one."""
    port = endpoint(bounds=Bounds(header_seconds=0.3)).port
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(HALVES[sent])
        assert read_to_end(connection) == b""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        if HALVES[sent]:
            connection.sendall(HALVES[sent])
            assert b"200" not in read_to_end(connection)


def test_connections_are_bounded(endpoint):
    port = endpoint(bounds=Bounds(connections=3)).port
    kept = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
    for connection in kept:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    with socket.create_connection(("127.0.0.1", port)) as one_more:
        assert read_to_end(one_more) == b""
    for connection in kept:
        connection.close()
    until = time.monotonic() + 20
    while True:  # there is room again
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            if read_some(connection).startswith(b"HTTP/1.1 200"):
                break
            assert time.monotonic() < until


def read_some(connection):
    """Read what comes first; nothing where the connection is ended."""
    connection.settimeout(20)
    try:
        return connection.recv(4096)
    except ConnectionResetError:
        return b""


def test_bodies_are_bounded(server):
    """In bytes as they come, and once they are inflated; in the time they take; and nothing else is disturbed."""
    tight = server(max_message_bytes=10_000, http_timeout_seconds=0.5)
    with httpx.Client(base_url=tight.metrics.removesuffix("/metrics"), timeout=30) as web:
        large = web.post("/v1/models/small:predict", content=b" " * 10_001)
        assert large.json() == {"error": "body: has 10001 bytes, the limit is 10000 (max_message_bytes)"}
        bomb = gzip.compress(b" " * 10_000_000)
        inflated = web.post("/v1/models/small:predict", content=bomb, headers={"content-encoding": "gzip"})
        assert inflated.status_code == 400
        assert "the limit is 10000" in inflated.json()["error"]
        lie = web.post("/v1/models/small:predict", content=b"{}", headers={"content-encoding": "gzip"})
        assert lie.json()["error"].startswith("body: is said to be compressed and is not: ")

        def slowly():
            yield b" "
            time.sleep(1.5)
            yield b" "

        assert web.post("/v1/models/small:predict", content=slowly()).status_code == 504
        assert web.post("/v1/models/small:predict", json={"instances": [[[1, 2, 3]]]}).status_code == 200


def test_tls_is_that_of_grpc_and_renewed_with_it(bare, only, tmp_path):
    authority, files = trustme.CA(), {"tls_certificate": tmp_path / "crt", "tls_key": tmp_path / "key"}
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    def issue(name):
        issued = authority.issue_cert("127.0.0.1", common_name=name)
        issued.private_key_pem.write_to_path(files["tls_key"])
        issued.cert_chain_pems[0].write_to_path(files["tls_certificate"])

    def shown():
        with (
            socket.create_connection(("127.0.0.1", port), timeout=20) as plain,
            trusting.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
        ):
            return dict(pair[0] for pair in secure.getpeercert()["subject"])["commonName"]

    issue("first")
    secured = bare(repository=only("small"), drain_notice_seconds=0, **files)
    assert secured.listening.wait(60)
    port = secured.server.http_port
    with httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=trusting) as web:
        assert web.get("/livez").status_code == 200
    assert shown() == "first"
    issue("second")
    until = time.monotonic() + 20
    while shown() != "second":
        assert time.monotonic() < until
        time.sleep(0.1)
