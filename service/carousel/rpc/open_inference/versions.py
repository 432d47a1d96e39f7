"""Models by the protocol's words for them: a version is a number or a label, and none is the newest."""

from carousel.errors import InvalidRequest, Violation
from carousel.serving import Catalog, Model

_DIGITS = 19  # of the largest version


def find(catalog: Catalog, name: str, version: str) -> Model:
    """Find a model.

    Raises:
        InvalidRequest: The version is a number, and none from 1 to 2**63-1.
        ModelNotFound: It is not served, or there is no such label.
    """
    if not version or not (version.isascii() and version.removeprefix("-").isdigit()):
        return catalog.find(name, label=version)
    if version.startswith("-") or not 0 < len(version.lstrip("0")) <= _DIGITS:
        found = f"is {version[:30]!r}, expected a number from 1, a label, or nothing"
        raise InvalidRequest((Violation("model_version", found),))
    return catalog.find(name, int(version))
