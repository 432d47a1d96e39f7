"""A snapshot is the state it was taken of, or it is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from carousel.errors import SnapshotRefused
from carousel.serving import read_snapshot, write_snapshot

FINGERPRINT = "0123456789abcdef" * 4

finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
states = arrays.arrays(np.float32, st.integers(1, 40), elements=finite)


@given(states, st.integers(0, 2**60))
def test_what_is_written_is_read_to_the_bit(state, timesteps):
    taken, read = read_snapshot(write_snapshot(FINGERPRINT, timesteps, state), FINGERPRINT, len(state))
    assert taken == timesteps
    assert read.tobytes() == state.tobytes()


def test_a_snapshot_with_any_byte_changed_or_cut_anywhere_is_refused():
    state = np.arange(4, dtype=np.float32)
    whole = write_snapshot(FINGERPRINT, 7, state)
    damaged = [whole[:i] for i in range(len(whole))] + [whole + b"\0"]
    for i in range(len(whole)):
        damaged += [whole[:i] + bytes([whole[i] ^ flip]) + whole[i + 1 :] for flip in (1, 0x80, 0xFF)]
    for snapshot in damaged:
        with pytest.raises(SnapshotRefused):
            read_snapshot(snapshot, FINGERPRINT, 4)


@given(st.binary(max_size=200))
def test_bytes_from_anywhere_are_refused(nonsense):
    with pytest.raises(SnapshotRefused):
        read_snapshot(nonsense, FINGERPRINT, 4)


def test_a_snapshot_of_another_model_or_width_is_refused_by_name():
    snapshot = write_snapshot(FINGERPRINT, 7, np.zeros(4, np.float32))
    with pytest.raises(SnapshotRefused, match="belongs to the model with fingerprint 0123456789abcdef"):
        read_snapshot(snapshot, "f" * 64, 4)
    with pytest.raises(SnapshotRefused, match="holds 4 floats, and this model's 6"):
        read_snapshot(snapshot, FINGERPRINT, 6)


@pytest.mark.parametrize(
    ("timesteps", "value", "words"),
    [(2**60 + 1, 0.0, "none has taken so many"), (2**64 - 1, 0.0, "none has"), (7, np.nan, "NaN"), (7, np.inf, "NaN")],
)
def test_a_forged_snapshot_with_a_right_checksum_is_refused(timesteps, value, words):
    """What no server of ours writes is no state: it would never be answered, or poison every answer after it."""
    forged = write_snapshot(FINGERPRINT, timesteps, np.full(4, value, np.float32))
    with pytest.raises(SnapshotRefused, match=words):
        read_snapshot(forged, FINGERPRINT, 4)
