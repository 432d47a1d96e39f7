"""Whatever bytes stand in metadata: the call is served or refused in words, and the log holds no traceback.

The C core itself answers names of keys and values of its own keys that it cannot read; what it lets through is read as
UTF-8, or as Latin-1 where it is none. Stock clients refuse to send most of this, so the frames are made by hand.
"""

import logging

import numpy as np
import pytest

from carousel.client import Client
from carousel.stubs.v1 import inference_pb2 as v1
from tests.carousel.http2 import Connection, call

PREDICT = b"/carousel.v1.InferenceService/Predict"
OK, INVALID_ARGUMENT, UNAUTHENTICATED = 0, 3, 16
SERVED = {
    "no UTF-8": (b"x-anything", b"\xff\xfe"),
    "a line break": (b"x-anything", b"a\nERROR carousel: a line that nobody wrote"),
    "a zero byte": (b"x-anything", b"\0"),
    "a client's name that is no UTF-8": (b"x-client", b"\xff\xfe"),
    "a request's id that is no UTF-8": (b"x-request-id", b"\xff\xfe"),
    "a trace that is no UTF-8": (b"traceparent", b"\xff\xfe"),
    "a user agent that is no UTF-8": (b"user-agent", b"\xff\xfe"),
    "a token where none is asked for": (b"authorization", b"Bearer \xff\xfe"),
    "an encoding of the answer that is not known": (b"grpc-accept-encoding", b"\xff\xfe"),
}
REFUSED_BY_THE_CORE = {
    "a key that is no ASCII": (b"x-anything\xff", b"a"),
    "a key of capitals": (b"X-Anything", b"a"),
    "bytes that are no base64": (b"x-anything-bin", b"***"),
    "a deadline that is none": (b"grpc-timeout", b"\xff\xfe"),
    "an encoding that is not known": (b"grpc-encoding", b"\xff\xfe"),
}


def message(model="small"):
    request = v1.PredictRequest(model=model)
    request.inputs.add(dtype=v1.DATA_TYPE_FLOAT32, shape=[1, 3], content=bytes(12))
    return request.SerializeToString()


@pytest.fixture(scope="module")
def plain(started, only):
    """A server that tells clients apart by metadata."""
    serving = started(repository=only("small"), client_metadata="x-client")
    yield serving
    serving.stop()


@pytest.mark.parametrize("case", SERVED)
def test_a_value_of_any_bytes_is_served_and_no_traceback_is_logged(plain, case, caplog):
    """Also where the call fails, and its line in the log repeats the value."""
    with caplog.at_level(logging.DEBUG):
        for model, code in (("small", OK), ("nothing", 5)):
            with Connection(plain.server.port) as connection:
                connection.send(call(PREDICT, message(model), SERVED[case]))
                assert connection.status()[0] == code
    assert not [record for record in caplog.records if record.exc_info or record.levelno >= logging.WARNING]


@pytest.mark.parametrize("case", REFUSED_BY_THE_CORE)
def test_what_the_core_refuses_ends_that_call_alone(plain, case, caplog):
    with Client(plain.target) as polite, Connection(plain.server.port) as connection:
        connection.send(call(PREDICT, message(), REFUSED_BY_THE_CORE[case]))
        code, words = connection.status()
        assert code != OK
        assert "metadata" in words or "header key" in words
        connection.send(call(PREDICT, message(), stream=3))
        assert polite.predict("small", [np.ones((2, 3))], timeout=30)[0].output.shape == (2,)
    assert "Traceback" not in caplog.text


def test_a_token_of_any_bytes_is_not_known(server, tmp_path, caplog):
    tokens = tmp_path / "tokens.toml"
    tokens.write_text('[one]\ntoken = "0123456789abcdef0123456789abcdef"\nscopes = ["predict"]\n')
    serving = server(tokens=tokens)
    for value in (b"Bearer \xff\xfe", b"Bearer \xed\xa0\x80", b"\xff\xfe", b"Bearer \0", b"bearer"):
        with Connection(serving.server.port) as connection:
            connection.send(call(PREDICT, message(), (b"authorization", value)))
            assert connection.status()[0] == UNAUTHENTICATED, value
    assert "Traceback" not in caplog.text
