"""Which engine serves a version: the first of ENGINES that can."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from carousel.artifact import Manifest, Signature
from carousel.engines.contract import Engine
from carousel.engines.onnx import open_cell_graph
from carousel.engines.tensorflow import open_saved_model
from carousel.errors import ModelRejected

# Another engine is a file beside this one that keeps the contract, an entry in ENGINES, and its name here and in the
# setting `engine` (`settings/settings.py`), which cannot know this room.
EngineName = Literal["onnx", "tensorflow"]
Choice = Literal["auto", EngineName]
"""The engine asked for; "auto" is the first of ENGINES that can serve the version."""

Open = Callable[[Path, Signature, Manifest | None, int], Engine]
"""Opens the version in a folder by its signature and manifest, with so many threads an operation; ModelRejected if it
cannot be served."""

ENGINES: Mapping[EngineName, Open] = {"onnx": open_cell_graph, "tensorflow": open_saved_model}
"""Every engine, the preferred one first."""


def load_engine(
    version: Path, signature: Signature, manifest: Manifest | None, choice: Choice = "auto", threads: int = 1
) -> tuple[Engine, str]:
    """Open the version in the folder `version`.

    Args:
        version: The version's folder.
        signature: What `read_signature` read there.
        manifest: What `read_manifest` read there.
        choice: The engine to use, or "auto".
        threads: For one operation inside the engine.

    Returns:
        The engine, and why each engine before it in ENGINES does not serve; "" where it is the first.

    Raises:
        ModelRejected: The engine asked for cannot serve this version, or none can.
    """
    if choice != "auto":
        because = "" if choice == next(iter(ENGINES)) else f"{choice} was asked for"
        return ENGINES[choice](version, signature, manifest, threads), because
    refusals: list[str] = []
    for name, opened in ENGINES.items():
        try:
            return opened(version, signature, manifest, threads), "; ".join(refusals)
        except ModelRejected as error:
            refusals.append(f"not on {name}: {error.message}")
    raise ModelRejected("; ".join(refusals))
