"""Models by the protocol's words for them: a version is text, and none is the newest."""

from carousel.errors import InvalidRequest, Violation
from carousel.serving import Catalog, Model


def find(catalog: Catalog, name: str, version: str) -> Model:
    """Find a model.

    Raises:
        InvalidRequest: The version is no number.
        ModelNotFound: It is not served.
    """
    if version and not (version.isascii() and version.isdigit() and int(version) > 0):
        raise InvalidRequest((Violation("model_version", f"is {version!r}, expected a number from 1, or nothing"),))
    return catalog.find(name, int(version or 0))
