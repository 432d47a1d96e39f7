"""The Open Inference Protocol with Triton's extensions, of no transport: its messages read and written."""

from carousel.oip.contents import DATATYPES, DTYPES
from carousel.oip.descriptions import EXTENSIONS, write_config, write_metadata, write_statistics
from carousel.oip.infer import Infer
from carousel.oip.infer_request import Rules, is_plain, read_version
from carousel.oip.repository import Repository, write_index
from carousel.oip.sequences import Sequences

__all__ = [
    "DATATYPES",
    "DTYPES",
    "EXTENSIONS",
    "Infer",
    "Repository",
    "Rules",
    "Sequences",
    "is_plain",
    "read_version",
    "write_config",
    "write_index",
    "write_metadata",
    "write_statistics",
]
