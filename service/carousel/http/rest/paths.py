"""The paths of models: /v1/models/NAME[/versions/NUMBER | /labels/LABEL], and what is asked of them."""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from carousel.errors import InvalidRequest, Violation

_MODEL = re.compile(
    r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?(?P<rest>:\w+|/metadata|/live)?",
    re.IGNORECASE,
)
_MAX_VERSION = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Path:
    """One model, and what is asked of it.

    Attributes:
        name: The model's.
        version: 0 for the newest.
        label: "" for none.
        rest: ":predict", "/metadata" and the like; "" for its status.
    """

    name: str
    version: int = 0
    label: str = ""
    rest: str = ""

    def __str__(self) -> str:
        """Name what is asked for as TensorFlow Serving does."""
        return f"Specific({self.name}, {self.version})" if self.version else f"Latest({self.name})"


def read_path(method: str, raw: str) -> Path:
    """Read a path as it came, percent-encoded.

    Raises:
        InvalidRequest: It is none of a model's.
    """
    found = _MODEL.fullmatch(raw)
    if found is None:
        raise malformed(method, raw)
    version = int((found["version"] or "0")[:20])
    if version > _MAX_VERSION:
        text = f"Failed to convert version: {version} to numeric."
        raise InvalidRequest((Violation("", text),))
    return Path(unquote(found["name"]), version, unquote(found["label"] or ""), (found["rest"] or "").lower())


def malformed(method: str, raw: str) -> InvalidRequest:
    """Say that there is no such path or method."""
    return InvalidRequest((Violation("", f"Malformed request: {method} {raw[:256]}"),))
