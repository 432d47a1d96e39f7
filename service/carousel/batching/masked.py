"""Masked timesteps, left out before a sequence runs."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from carousel.tensors import Samples

Places = NDArray[np.intp]


def leave_out(inputs: Samples, mask_value: float) -> tuple[Samples, Places | None]:
    """Leave out the timesteps that are masked: they change no state, and repeat the output of the one before.

    The first timestep stays, masked or not: what it repeats is known to the state alone.

    Args:
        inputs: [timesteps, input_dim], or tokens [timesteps].
        mask_value: What all features of a masked timestep are.

    Returns:
        The timesteps that are left, and for each of `inputs` which of them it repeats the output of; None where all
        are left.
    """
    value = inputs.dtype.type(mask_value)
    unequal = np.not_equal(inputs, value)
    valid: NDArray[np.bool_] = np.any(unequal, axis=1) if inputs.ndim > 1 else unequal
    valid[:1] = True
    if valid.all():
        return inputs, None
    left: NDArray[Any] = inputs[valid]
    return left, np.cumsum(valid) - 1
