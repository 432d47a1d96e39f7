"""The trace that a call is part of, as its client's tracing says by W3C's `traceparent`."""

import re
from collections.abc import Iterable

_RECORDED = re.compile("(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f][13579bdf](-.*)?")


def trace_of(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """Give the id of the trace, 32 hexadecimal digits; "" without one, or where nobody records it."""
    for key, value in metadata:
        if key == "traceparent":
            found = _RECORDED.fullmatch(value) if isinstance(value, str) else None
            return found[1] if found else ""
    return ""
