"""Frames of HTTP/2 and gRPC that break their rules: at most their connection ends, and everybody else is answered.

RFC 9113 and https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md say what is broken. The C core reads the
frames; that nothing of it reaches a method as a fault, holds memory or the others up is what is shown here.
"""

import gzip
import random
import socket
from pathlib import Path

import numpy as np
import pytest

from carousel.client import Client
from carousel.stubs.v1 import inference_pb2 as v1
from carousel.telemetry import Usage
from tests.carousel.http2 import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    call,
    fields,
    frame,
    literal,
)

PREDICT = b"/carousel.v1.InferenceService/Predict"
STREAM = b"/carousel.v1.InferenceService/Stream"
LONGEST = (1 << 31) - 1
OPEN = PREFACE + frame(SETTINGS)


def message():
    request = v1.PredictRequest(model="small")
    request.inputs.add(dtype=v1.DATA_TYPE_FLOAT32, shape=[1, 3], content=bytes(12))
    return request.SerializeToString()


def asked(path=PREDICT, block=None, flags=END_HEADERS, stream=1):
    """The headers of a call."""
    return frame(HEADERS, flags, stream, fields(path) if block is None else block)


def body(content, flag=0, length=None, flags=END_STREAM, stream=1):
    """Data that holds one message of gRPC, whose length may be a lie."""
    size = len(content) if length is None else length
    return frame(DATA, flags, stream, bytes([flag]) + size.to_bytes(4, "big") + content)


def setting(name, value):
    return frame(SETTINGS, 0, 0, name.to_bytes(2, "big") + value.to_bytes(4, "big"))


def named(*pairs):
    """A header block of these fields and no others."""
    return b"".join(literal(name, value) for name, value in pairs)


def compressed(content):
    """A call whose message is compressed, over as many frames as it takes."""
    packed = gzip.compress(content)
    whole = b"\1" + len(packed).to_bytes(4, "big") + packed
    parts = [whole[at : at + 16384] for at in range(0, len(whole), 16384)]
    data = b"".join(frame(DATA, 0, 1, part) for part in parts) + frame(DATA, END_STREAM, 1)
    return OPEN + frame(HEADERS, END_HEADERS, 1, fields(PREDICT, (b"grpc-encoding", b"gzip"))) + data


GRPC = ((b":method", b"POST"), (b":scheme", b"http"), (b":path", PREDICT), (b":authority", b"a"))
KIND = (b"content-type", b"application/grpc")
BROKEN = {
    "nothing": b"",
    "no HTTP/2": bytes(range(256)),
    "HTTP/1.1": b"POST /v1/models/small:predict HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "half a preface": PREFACE[:12],
    "a preface and no settings": PREFACE + call(PREDICT, message()),
    "settings of a stream": PREFACE + frame(SETTINGS, 0, 1),
    "settings of five bytes": PREFACE + frame(SETTINGS, 0, 0, bytes(5)),
    "an acknowledgement that says something": OPEN + frame(SETTINGS, ACK, 0, bytes(6)),
    "a window beyond the longest": PREFACE + setting(4, 1 << 31),
    "frames of no bytes": PREFACE + setting(5, 0),
    "a table of 4 GB": PREFACE + setting(1, (1 << 32) - 1) + call(PREDICT, message()),
    "settings of no name": PREFACE + setting(0xFFFF, 1) + call(PREDICT, message()),
    "ten thousand settings": OPEN + frame(SETTINGS) * 10_000,
    "ten thousand pings": OPEN + frame(PING, 0, 0, bytes(8)) * 10_000,
    "a ping of seven bytes": OPEN + frame(PING, 0, 0, bytes(7)),
    "a ping of a stream": OPEN + frame(PING, 0, 1, bytes(8)),
    "data of no stream": OPEN + frame(DATA, 0, 0, b"a"),
    "data of a stream that was never begun": OPEN + frame(DATA, END_STREAM, 7, b"a"),
    "data after the end": OPEN + call(PREDICT, message()) + frame(DATA, END_STREAM, 1, bytes(100)),
    "more data than the window": OPEN + asked() + frame(DATA, 0, 1, bytes(16384)) * 1000,
    "ten thousand empty frames of data": OPEN + asked() + frame(DATA, 0, 1) * 10_000,
    "padding longer than its frame": OPEN + asked() + frame(DATA, PADDED, 1, b"\xff" + bytes(10)),
    "headers of no stream": OPEN + asked(stream=0),
    "headers of a stream of the server's": OPEN + asked(stream=2),
    "headers of an older stream": OPEN + asked(stream=9) + asked(stream=3),
    "headers twice": OPEN + asked() + asked(),
    "headers that do not end": OPEN + asked(flags=0) + frame(DATA, END_STREAM, 1, b"a"),
    "headers that depend on their own stream": OPEN + frame(HEADERS, 0x24, 1, b"\0\0\0\1\0" + fields(PREDICT)),
    "headers without end": OPEN + asked(flags=0) + frame(CONTINUATION, 0, 1, literal(b"a", b"b" * 100) * 100) * 500,
    "ten thousand empty continuations": OPEN + asked(flags=0) + frame(CONTINUATION, 0, 1) * 10_000,
    "a continuation of nothing": OPEN + frame(CONTINUATION, END_HEADERS, 1, fields(PREDICT)),
    "index 0 of HPACK's table": OPEN + asked(block=b"\x80"),
    "an index beyond HPACK's table": OPEN + asked(block=b"\xff\xff\xff\xff\x0f"),
    "a whole number of HPACK's without end": OPEN + asked(block=b"\x7f" + b"\xff" * 200),
    "a string of HPACK's longer than its block": OPEN + asked(block=b"\x00\x7f\xff\xff\xff\x07a"),
    "Huffman's code for the end": OPEN + asked(block=b"\x00\x84\xff\xff\xff\xff\x01a"),
    "a larger table of HPACK's than may be": OPEN + asked(block=b"\x3f\xff\xff\xff\xff\x07"),
    "a table filled with one field, ten thousand times named": OPEN
    + asked(block=b"\x40\x01a\x7f" + b"b" * 127 + b"\xbe" * 10_000),
    "no path": OPEN + asked(block=named(*GRPC[:2], GRPC[3], KIND)) + body(message()),
    "an empty path": OPEN + asked(path=b"") + body(message()),
    "a path of any bytes": OPEN + asked(path=b"/\xff\xfe/\0") + body(message()),
    "two paths": OPEN + asked(block=named(*GRPC, GRPC[2], KIND)) + body(message()),
    "no method": OPEN + asked(block=named(*GRPC[1:], KIND)) + body(message()),
    "GET": OPEN + asked(block=named((b":method", b"GET"), *GRPC[1:], KIND)) + body(message()),
    "no kind of content": OPEN + asked(block=named(*GRPC)) + body(message()),
    "another kind of content": OPEN + asked(block=named(*GRPC, (b"content-type", b"text/plain"))) + body(message()),
    "HTTP/1.1's fields": OPEN + asked(block=named(*GRPC, KIND, (b"connection", b"close"))) + body(message()),
    "a promise": OPEN + frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\2" + fields(PREDICT)),
    "a reset of a stream that was never begun": OPEN + frame(RST_STREAM, 0, 5, bytes(4)),
    "a reset of three bytes": OPEN + asked() + frame(RST_STREAM, 0, 1, bytes(3)),
    "a thousand calls that are reset at once": OPEN
    + b"".join(call(PREDICT, message(), stream=n) + frame(RST_STREAM, 0, n, b"\0\0\0\x08") for n in range(1, 2001, 2)),
    "a thousand streams that are reset at once": OPEN
    + b"".join(asked(STREAM, stream=n) + frame(RST_STREAM, 0, n, b"\0\0\0\x08") for n in range(1, 2001, 2)),
    "a window that grows by nothing": OPEN + frame(WINDOW_UPDATE, 0, 0, bytes(4)),
    "a window that grows beyond the longest": OPEN + frame(WINDOW_UPDATE, 0, 0, LONGEST.to_bytes(4, "big")) * 2,
    "a stream's window that grows beyond the longest": OPEN
    + asked(STREAM)
    + frame(WINDOW_UPDATE, 0, 1, LONGEST.to_bytes(4, "big")) * 2,
    "a priority of three bytes": OPEN + frame(PRIORITY, 0, 1, bytes(3)),
    "a goodbye of three bytes": OPEN + frame(GOAWAY, 0, 0, bytes(3)),
    "a goodbye, and calls": OPEN + frame(GOAWAY, 0, 0, bytes(8)) + call(PREDICT, message()),
    "frames of no kind": OPEN + b"".join(frame(kind, 0xFF, 1, bytes(9)) for kind in range(10, 256)),
    "a frame of 16 MB": OPEN + frame(DATA, 0, 1, bytes(100), length=(1 << 24) - 1),
    "a message of a kind that is none": OPEN + asked() + body(message(), flag=2),
    "a compressed message of no known compression": OPEN + asked() + body(message(), flag=1),
    "a message longer than its data": OPEN + asked() + body(message(), length=1 << 20),
    "a message shorter than its data": OPEN + asked() + body(message(), length=3),
    "a message of 4 GB": OPEN + asked() + body(message(), length=(1 << 32) - 1),
    "two messages where one is taken": OPEN + asked() + body(message(), flags=0) + body(message()),
    "no message": OPEN + asked(flags=END_HEADERS | END_STREAM),
    "half a head of a message": OPEN + asked() + frame(DATA, END_STREAM, 1, b"\0\0"),
    "a message that is no gzip": OPEN
    + frame(HEADERS, END_HEADERS, 1, fields(PREDICT, (b"grpc-encoding", b"gzip")))
    + body(bytes(100), flag=1),
    "400 MB of zeros in 400 KB": compressed(bytes(400 << 20)),
}


def tell(port, content):
    """Send bytes and no more, and take what comes until the server hangs up: it may do so at the first bad frame."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        try:
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1 << 16):
                pass
        except TimeoutError:
            raise
        except OSError:  # it hung up
            pass


@pytest.fixture(scope="module")
def plain(started, only):
    serving = started(repository=only("small"))
    yield serving
    serving.stop()


def faults(serving):
    """How many calls the server answered as faults of its own."""
    counted = serving.on_loop(serving.server._services.counting.read)
    return sum(each.handled["INTERNAL"] + each.handled["UNKNOWN"] for each in counted.values())


def highest():
    """The most that this process held at a time, the server with it, in bytes."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) << 10


def check(serving, contents, caplog):
    Path("/proc/self/clear_refs").write_text("5")  # the highest resident memory is counted anew
    before = Usage.now().resident_bytes
    with Client(serving.target) as polite:
        for content in contents:
            tell(serving.server.port, content)
        assert polite.predict("small", [np.ones((2, 3))], timeout=30)[0].output.shape == (2,)
    assert highest() - before < 200 << 20
    assert faults(serving) == 0
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("case", BROKEN)
def test_what_breaks_the_rules_hurts_no_other_connection(plain, case, caplog):
    check(plain, [BROKEN[case]], caplog)


def shuffled(chance):
    """Take frames from two cases, leave some out, repeat some, change some bytes."""
    content = bytearray(OPEN)
    for case in chance.choices(list(BROKEN), k=2):
        some = BROKEN[case][len(OPEN) :][:20_000]
        at = chance.randint(0, len(some))
        content += some[:at] if chance.random() < 0.5 else some[at:] * chance.randint(1, 3)
    for _ in range(chance.randint(0, 4)):
        content[chance.randrange(len(PREFACE), len(content))] = chance.randrange(256)
    return bytes(content)


def drawn(chance):
    """Frames of any kind, some with a length that lies."""
    content = bytearray(OPEN)
    for _ in range(chance.randint(1, 20)):
        payload = chance.randbytes(chance.choice([0, 1, 4, 5, 8, 40, 300]))
        length = len(payload) if chance.random() < 0.9 else chance.randrange(1 << 24)
        stream = chance.choice([0, 1, 3, 2, LONGEST])
        content += frame(chance.randrange(12), chance.randrange(256), stream, payload, length)
    return bytes(content)


def test_nor_do_frames_put_together_by_chance(plain, caplog):
    chance = random.Random(22)
    check(plain, [make(chance) for _ in range(150) for make in (shuffled, drawn)], caplog)


@pytest.mark.soak
def test_nor_do_very_many(plain, caplog):
    for seed in range(100):
        chance = random.Random(seed)
        check(plain, [make(chance) for _ in range(250) for make in (shuffled, drawn)], caplog)
