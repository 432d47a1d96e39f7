"""One line a record, whatever is in it; and who logs never waits for who reads."""

import io
import json
import logging
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carousel.telemetry import fields
from carousel.telemetry.logs import ConsoleFormatter, JsonFormatter


def written(formatter, said, *arguments, error=None, **named):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logger = logging.getLogger("carousel.test")
    logger.addHandler(handler)
    try:
        logger.error(said, *arguments, exc_info=error, extra=fields(**named))
    finally:
        logger.removeHandler(handler)
    return stream.getvalue().removesuffix("\n")


def test_console_lines_read_as_they_were_said():
    line = written(
        ConsoleFormatter(), "failed after %d", 2, model="a b", peer="ipv4:127.0.0.1:7", duration_seconds=0.25
    )
    moment, _, rest = line.partition(" ")
    assert moment.endswith("Z")
    assert rest == 'ERROR carousel.test: failed after 2 model="a b" peer=ipv4:127.0.0.1:7 duration_seconds=0.25'


def test_a_json_line_holds_the_traceback():
    try:
        raise LookupError("nothing there")  # noqa: TRY301 - a traceback is what is tested
    except LookupError as error:
        line = written(JsonFormatter(), "failed", error=error, model="m")
    read = json.loads(line)
    assert read["message"] == "failed"
    assert read["model"] == "m"
    assert read["exception"].endswith("LookupError: nothing there")
    assert read["process"] == os.getpid()


@given(st.text(), st.text() | st.floats() | st.none() | st.integers())
def test_what_a_client_sent_never_begins_a_line(said, value):
    for formatter in (ConsoleFormatter(), JsonFormatter()):
        assert written(formatter, "%s", said, value=value).isprintable()
    read = json.loads(written(JsonFormatter(), "%s", said, value=value, message=0), parse_constant=pytest.fail)
    assert read["message"] == said


FLOOD = """
import logging, sys
from carousel.telemetry import log_to_stderr
log_to_stderr("info", "{form}")
for number in range(50_000):
    logging.getLogger("carousel.flood").info("line %d of a flood", number)
sys.stdout.write("done")
sys.stdout.flush()
sys.stdin.readline()
logging.getLogger("carousel.flood").info("last")
"""


@pytest.mark.parametrize("form", ["console", "json"])
def test_who_logs_does_not_wait_for_a_reader_that_stands_still(form):
    """The kernel's pipe holds 64 KiB; what waits beyond that is bounded, and what was dropped is said."""
    process = subprocess.Popen(
        [sys.executable, "-c", FLOOD.format(form=form)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout.read(4) == b"done"
    begun = process.stderr.read(300_000)  # so that there is room again
    _, rest = process.communicate(b"\n", timeout=30)
    log = begun + rest
    assert process.returncode == 0
    assert b"lines were dropped" in log
    assert b"last" in log.splitlines()[-1]


UNCAUGHT = """
import threading, warnings
from carousel.telemetry import log_to_stderr
log_to_stderr("info", "json")
warnings.warn("strange")
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
raise LookupError("lost")
"""


def test_what_no_one_catches_is_a_line_as_well():
    done = subprocess.run([sys.executable, "-c", UNCAUGHT], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    strange, thread, main = map(json.loads, done.stderr.splitlines())
    assert "strange" in strange["message"]
    assert thread["exception"].endswith("ZeroDivisionError: division by zero")
    assert main["exception"].endswith("LookupError: lost")
