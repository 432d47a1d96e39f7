"""What server and client both write: v1 messages, and errors as gRPC codes."""

from carousel.wire.codes import MAX_DETAILS, code_of, error_of, named, status_of
from carousel.wire.messages import Bounds, describe_raw, finite, read_steps, read_tensor, shape_faults, write_tensor

__all__ = [
    "MAX_DETAILS",
    "Bounds",
    "code_of",
    "describe_raw",
    "error_of",
    "finite",
    "named",
    "read_steps",
    "read_tensor",
    "shape_faults",
    "status_of",
    "write_tensor",
]
