"""The wall clock may be set at any moment, by NTP or by hand: no timer waits for it, and no deadline moves with it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import select, sys, threading, time
import grpc
from carousel import transport
from carousel.loop import Loop

offset = open(sys.argv[1], "r+")
left = []

def jump(seconds):
    offset.seek(0)
    offset.write(f"{seconds:+d}\\n")
    offset.truncate()
    offset.flush()

def rest(seconds):
    select.select([], [], [], seconds)  # libfaketime spoils time.sleep

def answer(call, message):
    left.append(call.deadline - time.monotonic())
    call.reply(message)

server = transport.Server({"/t.T/Left": transport.Unary(answer)})
port = server.listen("127.0.0.1", 0)
server.start()
loop = Loop(server)
fired = []

def tick():
    fired.append(None)
    if asking.is_alive():
        loop.after(0.3, tick)
    else:
        loop.stop()

def ask():
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        for seconds in (0, -3600, 7200, -86400):
            wanted = len(fired) + 3
            rest(0.1)  # so that the jump falls into a wait
            jump(seconds)
            while len(fired) < wanted:  # no call ends that wait
                rest(0.01)
            channel.unary_unary("/t.T/Left")(b"", timeout=30)

loop.after(0.3, tick)
asking = threading.Thread(target=ask)
asking.start()
loop.run()
asking.join()
server.close()
assert len(left) == 4, left
assert all(20 < seconds <= 30.1 for seconds in left), left
"""


def test_timers_and_deadlines_do_not_follow_the_wall_clock(tmp_path):
    """An hour back, two forward, a day back, under libfaketime; a timer that waited for it would wait that long."""
    [library] = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
    (tmp_path / "offset").write_text("+0\n")
    faked = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(tmp_path / "offset"),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_RESET": "1",
    }
    try:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(tmp_path / "offset")],
            env=os.environ | faked,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
    except subprocess.TimeoutExpired:
        pytest.fail("a timer waits for the wall clock")
    assert done.returncode == 0, done.stderr
