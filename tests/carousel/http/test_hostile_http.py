"""Whatever is sent to the HTTP port: a named error, bounded memory, and gRPC's callers are answered meanwhile."""

import json
import resource
import socket
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.carousel.http.bits import equal_bits

STEPS = np.ones((4, 3), np.float32)
BOMBS = {
    "lists in lists": b'{"instances":' + b"[" * 1_000_000,
    "objects in objects": b'{"instances":' + b'{"a":' * 500_000,
    "lists beside lists": b'{"instances":[' + b"[]," * 1_000_000 + b"[]]}",
    "a number of digits": b'{"instances":[[[' + b"9" * 1_000_000 + b",1,2]]]}",
    "a far exponent": b'{"instances":[[[1e999999999,1,2]]]}',
    "a long string": b'{"instances":[[["' + b"a" * 1_000_000 + b'"]]]}',
    "a long name": b'{"signature_name":"' + b"a" * 1_000_000 + b'","instances":[[[1,2,3]]]}',
    "many keys": b'{"instances":[{' + b",".join(b'"%d":1' % i for i in range(200_000)) + b"}]}",
    "broken text": b'{"instances":["\xff\xfe"]}',
    "nothing but zeros": bytes(100_000),
    "a number of 65 bits beside NaN": b'{"instances":[NaN,{"a":18446744073709551616}],"inputs":18446744073709551616}',
    "half a surrogate beside NaN": b'{"instances":[[[NaN,1,"\\ud800"]]],"inputs":"\\ud800"}',
    "lists 900 deep beside NaN": b'{"instances":' + b"[" * 900 + b"NaN" + b"]" * 900 + b',"inputs":{"a":NaN}}',
    "lists 300 deep beside NaN": b'{"instances":[NaN,{"a":' + b"[" * 300 + b"]" * 300 + b'}],"inputs":[NaN]}',
}


@pytest.mark.parametrize("path", ["/v1/models/small:predict", "/v2/models/small/infer"])
@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_are_refused_by_name_in_few_words(web, client, path, bomb):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    response = web.post(path, content=BOMBS[bomb])
    assert response.status_code == 400, response.text[:500]
    assert list(response.json()) == ["error"]
    assert len(response.content) < 10_000
    assert (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 600_000
    )  # KiB; server and tests are one process
    assert client.predict("small", [STEPS])


@pytest.mark.parametrize("path", ["/v1/models/small:predict", "/v2/models/small/infer"])
def test_of_keys_that_come_twice_the_last_counts_as_for_every_json_reader(web, client, path):
    [known] = client.predict("small", [STEPS])
    one = json.dumps({"name": "inputs", "datatype": "FP32", "shape": [1, 4, 3], "data": STEPS.ravel().tolist()})
    body = {
        "/v1": f'{{"instances": 1, "instances": [{STEPS.tolist()}]}}',
        "/v2": f'{{"inputs": 1, "inputs": [{one}]}}',
    }[path[:3]]
    answer = web.post(path, content=body).json()
    got = answer["predictions"][0] if "predictions" in answer else answer["outputs"][-1]["data"]
    assert equal_bits(got, known.output)


RAW = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(100),
    "two lengths": b"POST /v1/models HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    "length and chunks": b"POST /v1/models HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "negative length": b"POST /v1/models HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    "bad chunk": b"POST /v1/models HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nabc\r\n",
    "header without end": b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000,
    "many headers": b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 50_000 + b"\r\n",
    "a long path": b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
}


@pytest.mark.parametrize("case", RAW)
def test_what_is_no_request_ends_its_connection_alone(address, client, case):
    """Within seconds, whatever it is; the next is served."""
    with socket.create_connection(address, timeout=20) as connection:
        connection.settimeout(20)
        try:
            connection.sendall(RAW[case])
            answer = connection.recv(4096)
        except OSError:  # ended before all of it was taken
            answer = b""
    assert not answer or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")), answer
    assert client.predict("small", [STEPS])


@settings(max_examples=60, deadline=None)
@given(
    st.binary(max_size=200),
    st.sampled_from(["/v1/models/small:predict", "/v2/models/small/infer", "/v2/repository/index"]),
)
def test_no_bytes_are_ever_answered_as_a_bug(web, content, path):
    assert web.post(path, content=content).status_code in {200, 400}


def test_a_crowd_that_sends_nothing_disturbs_no_caller_of_grpc(address, client):
    """As many connections as may be and more: further ones are closed, and answers come meanwhile."""
    crowd = []
    try:
        while len(crowd) < 1200:
            crowd += [socket.create_connection(address, timeout=20)]
        for _ in range(20):
            assert client.predict("small", [STEPS])
    finally:
        for each in crowd:
            each.close()


def test_answers_that_are_not_read_hold_no_caller_up(address, client, web):
    """Who asks again and again and never reads is written no more than the buffers hold."""
    body = json.dumps({"signature_name": "sequence", "instances": [np.ones((2000, 3)).tolist()]}).encode()
    head = f"POST /v1/models/small:predict HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection(address, timeout=20) as connection:
        connection.settimeout(2)
        stop = threading.Event()

        def ask():
            try:
                while not stop.is_set():
                    connection.sendall(head + body)
            except OSError:
                pass

        asking = threading.Thread(target=ask)
        asking.start()
        until = time.monotonic() + 3
        while time.monotonic() < until:
            assert client.predict("small", [STEPS])
            assert web.get("/livez").status_code == 200
        stop.set()
        asking.join(20)
