"""One version on disk: its signature, manifest and golden answers, and where it stands in a repository."""

from carousel.artifact.golden import TOLERANCE, Golden, disagreement, distance, read_golden, write_golden
from carousel.artifact.layout import MAX_PACKED_BYTES, Column, Layout
from carousel.artifact.manifest import (
    CELL_GRAPH,
    GOLDEN,
    Manifest,
    Part,
    State,
    fingerprint,
    read_manifest,
)
from carousel.artifact.repository import MAX_VERSION, Listing, ModelFolder, read_repository, versions
from carousel.artifact.signature import (
    ADVANCE,
    FOLDER,
    INPUTS,
    LAST_STEP,
    MANIFEST,
    SEQUENCE,
    SERVING,
    Signature,
    other_functions,
    read_signature,
)
from carousel.artifact.survey import Survey, digest, survey
from carousel.artifact.vocabulary import (
    PADDING,
    UNKNOWN,
    VOCABULARY,
    read_vocabulary,
    tokens_of,
    words_of,
    write_vocabulary,
)
from carousel.artifact.warmup import MAX_RECORDS, WARMUP, read_warmup
from carousel.tensors import TensorSpec

__all__ = [
    "ADVANCE",
    "CELL_GRAPH",
    "FOLDER",
    "GOLDEN",
    "INPUTS",
    "LAST_STEP",
    "MANIFEST",
    "MAX_PACKED_BYTES",
    "MAX_RECORDS",
    "MAX_VERSION",
    "PADDING",
    "SEQUENCE",
    "SERVING",
    "TOLERANCE",
    "UNKNOWN",
    "VOCABULARY",
    "WARMUP",
    "Column",
    "Golden",
    "Layout",
    "Listing",
    "Manifest",
    "ModelFolder",
    "Part",
    "Signature",
    "State",
    "Survey",
    "TensorSpec",
    "digest",
    "disagreement",
    "distance",
    "fingerprint",
    "other_functions",
    "read_golden",
    "read_manifest",
    "read_repository",
    "read_signature",
    "read_vocabulary",
    "read_warmup",
    "survey",
    "tokens_of",
    "versions",
    "words_of",
    "write_golden",
    "write_vocabulary",
]
