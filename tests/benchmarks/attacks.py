"""Attackers, bounded in count and time: `python -m tests.benchmarks.attacks NAME GRPC_PORT HTTP_PORT SECONDS`.

Each runs in a process of its own, at a low priority: a real one has a machine of its own. It prints what it did
as one line of JSON when its time is over. The messages are those of the tests, sent again and again.
"""

import itertools
import json
import os
import resource
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import grpc
import numpy as np

from carousel.client import Client
from carousel.serving import write_snapshot
from carousel.stubs.oip import open_inference_pb2 as oip
from carousel.stubs.v1 import inference_pb2 as v1
from tests.benchmarks.workloads import INPUT_DIM, predict_request
from tests.carousel import http2

MODEL, SLOW = "stack64", "slow64"
FLOOD = (("x-client", "flood"),)

_INFER = "/inference.GRPCInferenceService/ModelInfer"
_PREDICT = "/carousel.v1.InferenceService/Predict"
_REFLECT = b"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
_MIB = 1 << 20
_UNLIMITED = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),
]


class Target:
    """Where to, and for how long."""

    def __init__(self, port: int, http_port: int, seconds: float) -> None:
        self.port, self.http_port = port, http_port
        self.address = f"127.0.0.1:{port}"
        self.end = time.monotonic() + seconds

    @property
    def lasts(self) -> bool:
        return time.monotonic() < self.end

    def wait(self) -> None:
        """Keep what is open until the end."""
        time.sleep(max(0.0, self.end - time.monotonic()))


def repeat(target: Target, path: str, messages: Iterator[bytes], in_flight: int) -> Counter[str]:
    """Send unary calls, each as soon as another ended; count how they ended."""
    ends: Counter[str] = Counter()
    room = threading.Semaphore(in_flight)
    with grpc.insecure_channel(target.address, _UNLIMITED) as channel:
        ask = channel.unary_unary(path)

        def ended(call: Any) -> None:
            ends[call.code().name] += 1
            room.release()

        while target.lasts:
            if room.acquire(timeout=0.1):
                ask.future(next(messages), metadata=FLOOD).add_done_callback(ended)
    return ends


def huge_shapes(target: Target) -> Counter[str]:
    """A shape of 100,000 dimensions of 2**62: 900 KB."""
    message = v1.PredictRequest(model=MODEL, inputs=[v1.Tensor(dtype=1, shape=[2**62] * 100_000)])
    return repeat(target, _PREDICT, itertools.repeat(message.SerializeToString()), 4)


def empty_fields(target: Target) -> Counter[str]:
    """Two million empty inputs: 4 MB."""
    return repeat(target, _INFER, itertools.repeat(b"\x0a\x07stack64" + b"\x2a\x00" * 2_000_000), 4)


def varints(target: Target) -> Counter[str]:
    """Sixteen million dimensions of one byte each."""
    message = v1.PredictRequest(model=MODEL, inputs=[v1.Tensor(dtype=1, shape=[1] * (16 * _MIB))])
    return repeat(target, _PREDICT, itertools.repeat(message.SerializeToString()), 2)


def forged_snapshots(target: Target) -> Counter[str]:
    """States of the model's own fingerprint: 2**64 - 1 timesteps, or NaN."""
    with Client(target.address) as client:
        model = client.get_model(MODEL)
    width = sum(units for _, units in model.states)
    messages = []
    for timesteps, value in ((2**64 - 1, 0.0), (7, np.nan)):
        request = v1.PredictRequest(model=MODEL)
        request.inputs.add(dtype=1, shape=[1, INPUT_DIM], content=bytes(4 * INPUT_DIM))
        request.initial_state.append(
            write_snapshot(model.fingerprint, timesteps, np.full(width, value, np.float32)),
        )
        messages.append(request.SerializeToString())
    return repeat(target, _PREDICT, itertools.cycle(messages), 16)


def large_answers(target: Target) -> Counter[str]:
    """Requests of 2 MB whose answers have 8 MB, every timestep's output, read as they come."""
    request = v1.PredictRequest(model=MODEL, return_sequences=True)
    steps = 8 * _MIB // (4 * 256)
    request.inputs.add(dtype=1, shape=[steps, INPUT_DIM], content=bytes(4 * INPUT_DIM * steps))
    return repeat(target, _PREDICT, itertools.repeat(request.SerializeToString()), 16)


def too_large_answers(target: Target) -> Counter[str]:
    """Requests of 20 MB whose answers would have 80 MB, more than may be."""
    request = v1.PredictRequest(model=MODEL, return_sequences=True)
    steps = 80 * _MIB // (4 * 256)
    request.inputs.add(dtype=1, shape=[steps, INPUT_DIM], content=bytes(4 * INPUT_DIM * steps))
    return repeat(target, _PREDICT, itertools.repeat(request.SerializeToString()), 4)


def silent_streams(target: Target) -> Counter[str]:
    """Streams on which nothing is sent: two thousand, over four connections."""
    over = threading.Event()

    def silence() -> Iterator[bytes]:
        over.wait()
        yield from ()

    channels = [grpc.insecure_channel(target.address, _UNLIMITED) for _ in range(4)]
    streams = []
    for number in range(2000):
        if not target.lasts:
            break
        ask = channels[number % 4].stream_stream("/inference.GRPCInferenceService/ModelStreamInfer")
        streams.append(ask(silence(), metadata=FLOOD))
    target.wait()
    over.set()
    for channel in channels:
        channel.close()
    return Counter(open=len(streams))


def idle_connections(target: Target) -> Counter[str]:
    """Connections that say nothing, or HTTP/2's preface and then nothing: five thousand, half of each."""
    opened: list[socket.socket] = []
    failed = 0
    while len(opened) + failed < 5000 and target.lasts:
        try:
            opened.append(socket.create_connection(("127.0.0.1", target.port), timeout=5))
            if len(opened) % 2:
                opened[-1].sendall(http2.PREFACE + http2.frame(http2.SETTINGS))
        except OSError:
            failed += 1
    target.wait()
    return Counter(open=len(opened), failed=failed)


def unread_reflection(target: Target) -> Counter[str]:
    """Reflection asked for the largest file on sixteen connections, and no answer read."""
    wanted = b"\x22\x1einference.GRPCInferenceService"  # file_containing_symbol
    message = b"\0" + len(wanted).to_bytes(4, "big") + wanted
    asked = [0] * 16

    def ask(number: int) -> None:
        with suppress(OSError), http2.Connection(target.port) as deaf:
            deaf.socket.settimeout(1)
            deaf.send(http2.frame(http2.HEADERS, http2.END_HEADERS, 1, http2.fields(_REFLECT)))
            while target.lasts:
                with suppress(TimeoutError):
                    deaf.send(http2.frame(http2.DATA, 0, 1, message * 100))
                    asked[number] += 100

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(ask, range(16)))
    return Counter(sent=sum(asked))


def unread_answers(target: Target) -> Counter[str]:
    """A hundred answers of 4 MB, none of which is read, again and again."""
    request = v1.PredictRequest(model=MODEL, return_sequences=True)
    steps = 4 * _MIB // (4 * 256)
    request.inputs.add(dtype=1, shape=[steps, INPUT_DIM], content=bytes(4 * INPUT_DIM * steps))
    message = request.SerializeToString()
    body = b"\0" + len(message).to_bytes(4, "big") + message
    sent: Counter[str] = Counter()

    def ask(_number: int) -> None:
        with suppress(OSError), http2.Connection(target.port) as deaf:
            deaf.socket.settimeout(max(0.1, target.end - time.monotonic()))
            deaf.send(http2.frame(http2.HEADERS, http2.END_HEADERS, 1, http2.fields(_PREDICT.encode())))
            deaf.write(1, body)
            sent["unread"] += 1
            target.wait()

    with ThreadPoolExecutor(100) as threads:
        list(threads.map(ask, range(100)))
    return sent


def unfinished_messages(target: Target) -> Counter[str]:
    """Forty messages of 60 MB, each without its last byte."""
    body = b"\0" + (60 * _MIB).to_bytes(4, "big") + bytes(60 * _MIB - 1)
    sent: Counter[str] = Counter()

    def ask(_number: int) -> None:
        with suppress(OSError), http2.Connection(target.port) as slow:
            slow.socket.settimeout(max(0.1, target.end - time.monotonic()))
            slow.send(http2.frame(http2.HEADERS, http2.END_HEADERS, 1, http2.fields(_PREDICT.encode())))
            size = slow.write(1, body, ends=False)
            sent["bytes"] += size
            sent["unfinished"] += 1
            target.wait()

    with ThreadPoolExecutor(40) as threads:
        list(threads.map(ask, range(40)))
    return sent


def ended_ids(target: Target) -> Counter[str]:
    """Live sequences of the Open Inference Protocol by ids of 250 bytes, begun and ended with one message."""

    def messages() -> Iterator[bytes]:
        for number in itertools.count():
            request = oip.ModelInferRequest(model_name=MODEL, raw_input_contents=[bytes(4 * INPUT_DIM)])
            request.inputs.add(name="inputs", datatype="FP32", shape=[1, 1, INPUT_DIM])
            request.parameters["sequence_id"].string_param = f"{number}".rjust(250, "i")
            request.parameters["sequence_start"].bool_param = True
            request.parameters["sequence_end"].bool_param = True
            yield request.SerializeToString()

    return repeat(target, _INFER, messages(), 16)


def long_message(model: str, steps: int) -> bytes:
    return predict_request(model, [np.ones((steps, INPUT_DIM), np.float32)])


def flood(target: Target) -> Counter[str]:
    """Two hundred calls at a time of 2,000 timesteps each, without a deadline, of the model that is asked politely."""
    return repeat(target, _PREDICT, itertools.repeat(long_message(MODEL, 2000)), 200)


def flood_of_a_slow_model(target: Target) -> Counter[str]:
    """The same of a model on TensorFlow."""
    return repeat(target, _PREDICT, itertools.repeat(long_message(SLOW, 2000)), 200)


def deep_json(target: Target) -> Counter[str]:
    """A million opened brackets, to the HTTP port."""
    body = b'{"instances":' + b"[" * 1_000_000
    head = f"POST /v1/models/{MODEL}:predict HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    ends: Counter[str] = Counter()

    def ask(_number: int) -> None:
        while target.lasts:
            try:
                with socket.create_connection(("127.0.0.1", target.http_port), timeout=5) as connection:
                    connection.sendall(head + body)
                    ends[connection.recv(4096)[9:12].decode() or "closed"] += 1
            except OSError as error:
                ends[type(error).__name__] += 1

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(ask, range(4)))
    return ends


def slow_http(target: Target) -> Counter[str]:
    """A thousand connections to the HTTP port, each of which sends one byte of a request a second."""
    request = b"POST /v1/models/stack64:predict HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"
    opened: list[socket.socket] = []
    for _ in range(1000):
        with suppress(OSError):
            opened.append(socket.create_connection(("127.0.0.1", target.http_port), timeout=5))
            opened[-1].setblocking(False)
    for at in itertools.count():
        if not target.lasts:
            break
        for each in opened:
            with suppress(OSError):
                each.send(request[at : at + 1] or b"x")
        time.sleep(1)
    return Counter(open=len(opened))


ATTACKS: dict[str, Callable[[Target], Counter[str]]] = {
    function.__name__.replace("_", " "): function
    for function in (
        huge_shapes,
        empty_fields,
        varints,
        forged_snapshots,
        large_answers,
        too_large_answers,
        silent_streams,
        idle_connections,
        unread_reflection,
        unread_answers,
        unfinished_messages,
        ended_ids,
        flood,
        flood_of_a_slow_model,
        deep_json,
        slow_http,
    )
}


def main(name: str, port: str, http_port: str, seconds: str) -> None:
    """Attack, and print what was done."""
    os.nice(10)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    done = ATTACKS[name](Target(int(port), int(http_port), float(seconds)))
    sys.stdout.write(json.dumps(done) + "\n")
    sys.stdout.flush()
    os._exit(0)  # whatever is still open ends with the process, not one after the other


if __name__ == "__main__":
    main(*sys.argv[1:])
