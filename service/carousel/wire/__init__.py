"""What server and client both write: v1 tensors, errors as gRPC codes, and the trace of a call."""

from carousel.wire.error_codes import code_of, error_of, named, status_of
from carousel.wire.messages import DATA_TYPES, as_samples, as_tensor, read_tensor, write_tensor
from carousel.wire.trace import trace_of

__all__ = [
    "DATA_TYPES",
    "as_samples",
    "as_tensor",
    "code_of",
    "error_of",
    "named",
    "read_tensor",
    "status_of",
    "trace_of",
    "write_tensor",
]
