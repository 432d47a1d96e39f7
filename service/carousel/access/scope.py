"""What a token may be used for."""

from enum import StrEnum
from typing import NamedTuple


class Scope(StrEnum):
    """What a caller may do."""

    PREDICT = "predict"
    """Ask for predictions, and for what the models are."""
    ADMIN = "admin"
    """Change what is served: load, unload."""
    METRICS = "metrics"
    """Read the counts of everything."""


class Grant(NamedTuple):
    """What a token says of its bearer.

    Attributes:
        client: The bearer's name.
        scopes: What it may do.
    """

    client: str
    scopes: frozenset[Scope]
