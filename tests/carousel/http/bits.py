"""Answers in JSON against float32."""

import numpy as np


def equal_bits(answer, known):
    """Whether nested lists hold just these float32."""
    return np.asarray(answer, np.float32).tobytes() == np.ascontiguousarray(known, np.float32).tobytes()
