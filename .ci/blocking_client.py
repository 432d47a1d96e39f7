"""The blocking client from the asyncio one: the same code without async and await.

What threads do otherwise than tasks is in `carousel.client.threads` and `carousel.client.tasks`, under the same names.
"""

import re
import subprocess
import sys
from pathlib import Path

CLIENT = Path(__file__).parents[1] / "service" / "carousel" / "client"

TWINS = {"aio.py": "blocking.py", "aio_fleet.py": "fleet.py"}

_RULES = (
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\b__a(enter|exit)__\b", r"__\1__"),
    (r"\bAsync(Iterator|Iterable|Client|Fleet|LiveSequence)\b", r"\1"),
    (r"\bgrpc\.aio\.", "grpc."),
    (r"\bcarousel\.client\.aio_fleet\b", "carousel.client.fleet"),
    (r"\bcarousel\.client\.tasks\b", "carousel.client.threads"),
    (r"\bfrom asyncio import Future\b", "from concurrent.futures import Future"),
    (r"\bfor programs on asyncio\b", "for ordinary programs"),
    (r"\bBelongs to one event loop\b", "Safe to share between threads"),
)


def written() -> dict[Path, str]:
    """Write both files of the blocking client."""
    return {CLIENT / twin: blocking((CLIENT / source).read_text(), source) for source, twin in TWINS.items()}


def blocking(code: str, source: str) -> str:
    """Write the twin of asyncio code, formatted as `make format` would."""
    for pattern, replacement in _RULES:
        code = re.sub(pattern, replacement, code)
    summary, rest = code.split("\n", 1)
    code = f"{summary}\n\n# Written by .ci/blocking_client.py from {source}; do not edit.\n{rest}"
    for command in (["check", "--select", "I", "--fix", "--quiet"], ["format"]):
        code = _ruff(*command, "--stdin-filename", str(CLIENT / TWINS[source]), "-", code=code)
    return code


def _ruff(*arguments: str, code: str) -> str:
    ruff = [sys.executable, "-m", "ruff", *arguments]
    return subprocess.run(ruff, input=code, capture_output=True, text=True, check=True).stdout  # noqa: S603 - our own
