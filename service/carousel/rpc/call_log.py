"""What the log says of a call that is over."""

import time

from carousel.rpc.interceptors import CODE_NAMES
from carousel.telemetry import Ended, RequestLog
from carousel.transport import Call, Code
from carousel.wire import trace_of

_ID = "x-request-id"
_WELL = frozenset({Code.OK, Code.CANCELLED})


class CallLog:
    """Tells the log of calls, as the transport tells of their ends."""

    def __init__(self) -> None:
        self._log = RequestLog()

    def observe(self, call: Call, code: int) -> None:
        """Take note of a call that is over; one that its client left has not failed."""
        if code not in _WELL:
            self._log.failed(_ended(call, code))
        elif self._log.samples:
            self._log.succeeded(_ended(call, code))


def _ended(call: Call, code: int) -> Ended:
    return Ended(
        method=call.method,
        code=CODE_NAMES.get(code, "UNKNOWN"),
        reason=call.reason,
        message="" if call.status is None else call.status.message,
        model=call.model,
        id=call.request_id or next((str(value) for key, value in call.metadata if key == _ID), ""),
        trace=trace_of(call.metadata),
        peer=call.peer,
        client=call.client,
        seconds=time.monotonic() - call.began,
    )
