"""One version on disk: its signature, manifest and golden answers, and where it stands in a repository."""

from carousel.artifact.golden import TOLERANCE, Golden, disagreement, distance, read_golden, write_golden
from carousel.artifact.manifest import (
    CELL_GRAPH,
    FOLDER,
    GOLDEN,
    MANIFEST,
    Manifest,
    Part,
    State,
    fingerprint,
    read_manifest,
)
from carousel.artifact.repository import versions
from carousel.artifact.signature import (
    ADVANCE,
    INPUTS,
    LAST_STEP,
    SEQUENCE,
    SERVING,
    Signature,
    TensorSpec,
    read_signature,
)

__all__ = [
    "ADVANCE",
    "CELL_GRAPH",
    "FOLDER",
    "GOLDEN",
    "INPUTS",
    "LAST_STEP",
    "MANIFEST",
    "SEQUENCE",
    "SERVING",
    "TOLERANCE",
    "Golden",
    "Manifest",
    "Part",
    "Signature",
    "State",
    "TensorSpec",
    "disagreement",
    "distance",
    "fingerprint",
    "read_golden",
    "read_manifest",
    "read_signature",
    "versions",
    "write_golden",
]
