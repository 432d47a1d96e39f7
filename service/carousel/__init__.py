"""Carousel serves stacked Keras LSTMs over gRPC.

Sequences step on, ride a few timesteps together and step off when they are done, while it keeps turning: nothing is
padded, and every answer is bit-for-bit what its sequence would get alone. ARCHITECTURE.md is the plan of the house.
"""

from importlib import metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from carousel.offline import LocalModel, load

__all__ = ["LocalModel", "__version__", "load"]


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is: a client's process holds no engine."""
    if name == "__version__":
        return metadata.version("lstm-carousel")
    if name in {"LocalModel", "load"}:
        from carousel import offline  # noqa: PLC0415 - see above

        return getattr(offline, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
