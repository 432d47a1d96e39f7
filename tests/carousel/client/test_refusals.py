"""The client raises what the server raised, however long the names are and in whatever script."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from carousel import errors


@settings(max_examples=40, deadline=None)
@given(st.text(min_size=1, max_size=20), st.integers(1, 300))
@example("\N{CAROUSEL HORSE}", 1000)
@example("%", 5000)
def test_a_model_of_any_name_is_not_found_by_that_name(client, name, times):
    """Unary and live: trailers that the client's gRPC would refuse whole become no other error."""
    with pytest.raises(errors.ModelNotFound) as unary:
        client.predict(name * times, [[[1.0]]], timeout=30)
    assert name[:1] in str(unary.value) or not name[:1].isprintable()
    with client.live(name * times) as sequence, pytest.raises(errors.ModelNotFound):
        sequence.feed([[1.0]])


def test_every_fault_of_a_large_request_is_an_invalid_request(client):
    """The first ones by name, where not all fit."""
    with pytest.raises(errors.InvalidRequest) as caught:
        client.predict("small", [[[1.0]]] * 500, timeout=30)
    assert caught.value.violations[0].field == "inputs[0].shape"
    assert len(caught.value.violations) > 10
