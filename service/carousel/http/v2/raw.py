"""A body that is one tensor and nothing else: the input's own bytes."""

import math

from carousel.artifact import Signature
from carousel.errors import InvalidRequest, Violation
from carousel.http.v2.reading import Asked
from carousel.oip import DATATYPES, DTYPES
from carousel.stubs.oip.open_inference_pb2 import ModelInferRequest


def read_raw(body: bytes, signature: Signature, model: str, version: str) -> Asked:
    """Read the one input of a batch of one; where one dimension is open, the bytes say how long it is.

    Raises:
        InvalidRequest: The model takes several inputs, or the bytes do not fill its shape.
    """
    specs = signature.served_inputs
    if len(specs) != 1:
        raise _wrong(f"is one tensor, and the model takes {len(specs)} inputs: name them in JSON")
    [spec] = specs
    datatype = next(name for name, dtype in DTYPES.items() if dtype == spec.dtype and name in DATATYPES.values())
    known = math.prod(d for d in spec.shape[1:] if d is not None) * DTYPES[datatype].itemsize
    unknown = sum(d is None for d in spec.shape[1:])
    fits = unknown == 1 and len(body) % known == 0 if unknown else len(body) == known
    if not fits:
        raise _wrong(f"has {len(body)} bytes, expected {'a multiple of ' if unknown else ''}{known}")
    shape = [1, *(len(body) // known if d is None else d for d in spec.shape[1:])]
    message = ModelInferRequest(model_name=model, model_version=version, raw_input_contents=[body])
    message.inputs.add(name=spec.name, datatype=datatype, shape=shape)
    return Asked(message, binary=True, outputs={}, size=len(body))


def _wrong(found: str) -> InvalidRequest:
    return InvalidRequest((Violation("body", found),))
