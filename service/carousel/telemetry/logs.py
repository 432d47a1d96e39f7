"""Log lines: what happened in words, and beside them the fields by which a machine finds them again."""

import json
import logging
import math
import queue
import sys
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Literal, TextIO

LogFormat = Literal["console", "json"]

_WAITING: Final = 10_000  # lines that wait to be written; more are counted and dropped
_ENDING: Final = 2.0  # seconds that a process which ends has to write what waits


def fields(**named: Any) -> dict[str, Any]:
    """Give a line fields: `logger.info("...", extra=fields(model="weather", duration_seconds=0.2))`.

    Numbers, strings, booleans and None are written as they are, everything else as its `str`. Units are in the names.
    """
    return {"fields": named}


def log_to_stderr(level: str, form: LogFormat) -> None:
    """Write the lines of this process from `level` up to standard error, one line a record.

    A thread writes them: standard error may be a pipe whose reader stands still, and no call may wait for that. What
    no one catches is a line as well.
    """
    formatter = JsonFormatter() if form == "json" else ConsoleFormatter()
    handler = _Writer(sys.stderr, formatter)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda uncaught: _log_uncaught(
        uncaught.exc_type, uncaught.exc_value or uncaught.exc_type(), uncaught.exc_traceback
    )


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, process, message, the fields, and an exception's traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
        }
        for name, value in _fields(record).items():
            number_of_json = not isinstance(value, float) or math.isfinite(value)
            line.setdefault(name, value if number_of_json else str(value))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class ConsoleFormatter(logging.Formatter):
    """For people: time, level, logger, message, then the fields; a traceback follows on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        named = "".join(f" {name}={_written(value)}" for name, value in _fields(record).items())
        line = f"{_time(record)} {record.levelname} {record.name}: {_printable(record.getMessage())}{named}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class _Writer(logging.Handler):
    """Formats on the thread that logs, writes on one of its own."""

    def __init__(self, stream: TextIO, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self._stream = stream
        self._lines: queue.Queue[str | None] = queue.Queue(_WAITING)
        self._dropped = 0
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Hand a line over, or count it as dropped."""
        try:
            self._lines.put_nowait(self.format(record))
        except queue.Full:
            self._dropped += 1
        except Exception:  # noqa: BLE001 - logging's own way: a line that cannot be written harms nothing else
            self.handleError(record)

    def close(self) -> None:
        """Write what waits, in two seconds at most."""
        end = time.monotonic() + _ENDING
        try:
            self._lines.put(None, timeout=_ENDING)
        except queue.Full:  # nobody reads
            pass
        else:
            self._thread.join(max(0.0, end - time.monotonic()))
        super().close()

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            dropped, self._dropped = self._dropped, 0
            if dropped:
                line = f"{self.format(_dropped(dropped))}\n{line}"
            try:
                self._stream.write(f"{line}\n")
                self._stream.flush()
            except (OSError, ValueError):  # standard error is closed, or its disk is full: serving goes on
                continue


def _log_uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        logging.getLogger("carousel").critical("an exception was not caught", exc_info=(kind, error, traceback))


def _dropped(lines: int) -> logging.LogRecord:
    message = "%d lines were dropped: standard error was not read"
    return logging.LogRecord("carousel.telemetry.logs", logging.WARNING, __file__, 0, message, (lines,), None)


def _fields(record: logging.LogRecord) -> Mapping[str, Any]:
    found: Mapping[str, Any] = getattr(record, "fields", {})
    return found


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _written(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value)
    plain = text.isprintable() and text and not any(sign in text for sign in ' "=')
    return text if plain else json.dumps(text)


def _printable(text: str) -> str:
    """Write line breaks and other control characters as escapes: what a client sent cannot look like a line of ours."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
