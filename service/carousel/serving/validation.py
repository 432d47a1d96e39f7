"""The check of a request's tensors, their shapes and numbers, against a model's signature and the limits.

Dtypes are checked where tensors are read, since each protocol names them differently: `rpc/v1/predict.py`,
`oip/infer_request.py`, `rpc/tfserving/prediction.py`. How long a message may be is known before it is read, by the
setting `max_message_bytes`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from carousel.artifact import Signature
from carousel.errors import Violation
from carousel.tensors import Samples, describe, describe_raw

_FEW = 8192
"""Numbers that the linear algebra library goes through on one thread; from 10,000 on it would wake others."""

FieldName = Callable[[int, str], str]
"""The name of a part ("shape" or "content") of the i-th input, in the words of the caller's protocol."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may ask for, and all of them together.

    Attributes:
        samples: Sequences in one request.
        timesteps: Of one sequence, or of one message of a live sequence.
        refuse_nonfinite: Whether NaN and infinity are refused.
        reply_bytes: Tensors of one answer.
        held_bytes: Inputs and answers of all the requests that are admitted and not answered.
        name_bytes: Names, ids and keys that a client chooses, each in UTF-8.
    """

    samples: int = 4096
    timesteps: int = 1_000_000
    refuse_nonfinite: bool = True
    reply_bytes: int = 64 << 20
    held_bytes: int = 512 << 20
    name_bytes: int = 256


def check(inputs: list[Samples], field: FieldName, signature: Signature, limits: Limits) -> list[Violation]:
    """Name every fault of sequences; each should be [timesteps, ...] as the signature and the limits say."""
    faults: list[Violation] = []
    features, shortest, longest = signature.features, signature.min_timesteps, limits.timesteps
    only = signature.timesteps
    for i, steps in enumerate(inputs):
        in_range = shortest <= len(steps) <= longest and (only is None or len(steps) == only)
        if steps.shape[1:] != features or not in_range:
            faults += shape_faults(steps.shape, field(i, "shape"), signature, limits)
        elif not features:
            faults += _token_faults(steps, field(i, "content"), signature)
        elif limits.refuse_nonfinite and not _finite(steps):
            faults.append(Violation(field(i, "content"), _first_nonfinite(steps)))
    return list(dict.fromkeys(faults))  # several samples of one tensor share its shape, and its fault


def _finite(steps: Samples) -> bool:
    """Whether every number is finite. For a few numbers the sum of their squares says so at a fifth of the price."""
    few = steps.size <= _FEW
    return (few and math.isfinite(np.vdot(steps, steps))) or bool(np.isfinite(steps).all())


def shape_faults(shape: Sequence[int], field: str, signature: Signature, limits: Limits) -> list[Violation]:
    """Name every fault of a sequence's shape. Counts first: a sender may claim a million dimensions."""
    features = signature.features
    expected = describe((signature.timesteps, *features))
    if not shape:
        return [Violation(field, f"is missing, expected {expected}")]
    rank = 1 + len(features)
    if len(shape) != rank:
        return [Violation(field, f"has rank {len(shape)}, {describe(shape)}; expected rank {rank}, {expected}")]
    if min(shape) < 0:
        return [Violation(field, f"is {describe_raw(shape)}, and a dimension cannot be negative")]
    timesteps, least = shape[0], signature.min_timesteps
    faults = []
    if timesteps == 0:
        faults.append(Violation(field, "has zero timesteps, expected at least one"))
    elif signature.timesteps is not None and timesteps != signature.timesteps:
        faults.append(Violation(field, f"has {timesteps} timesteps, the model takes exactly {signature.timesteps}"))
    elif timesteps < least:
        faults.append(Violation(field, f"has {timesteps} timesteps, the model takes at least {least}"))
    elif timesteps > limits.timesteps:
        faults.append(Violation(field, f"has {timesteps} timesteps, the limit is {limits.timesteps} (max_timesteps)"))
    if features and shape[1] != features[0]:
        faults.append(Violation(field, f"has input_dim {shape[1]}, the model takes {features[0]}"))
    return faults


def _token_faults(tokens: Samples, field: str, signature: Signature) -> list[Violation]:
    vocabulary = signature.vocabulary or int(np.iinfo(signature.dtype).max)
    if int(tokens.min()) >= 0 and int(tokens.max()) < vocabulary:
        return []
    (timestep,) = np.argwhere((tokens < 0) | (tokens >= vocabulary))[0]
    found = f"holds token {tokens[timestep]} at timestep {timestep}; the model knows 0 to {vocabulary - 1}"
    return [Violation(field, found)]


def _first_nonfinite(steps: Samples) -> str:
    timestep, feature = np.argwhere(~np.isfinite(steps))[0]
    value = steps[timestep, feature]
    return f"holds {value} at timestep {timestep}, feature {feature}; only finite values are taken"
