"""Every error has a code, and comes back as itself."""

import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode
from hypothesis import given
from hypothesis import strategies as st

from carousel import errors, transport
from carousel.errors import (
    CarouselError,
    EngineFault,
    InvalidRequest,
    ModelNotFound,
    Overloaded,
    Unreachable,
    Violation,
)
from carousel.wire import code_of, error_of, status_of
from carousel.wire.error_codes import DETAILS_BUDGET

CLASSES = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, CarouselError) and kind is not CarouselError
]


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_crosses_the_wire_as_itself(kind):
    faults = (Violation("inputs[0].shape", "has rank 1"), Violation("model", "is: missing"))
    error = InvalidRequest(faults) if kind is InvalidRequest else kind("what came and what was expected")
    code, message, details = status_of(error)
    assert code == code_of(error).value[0] != StatusCode.OK.value[0]
    again = error_of(code, message, details)
    assert type(again) is kind
    assert str(again) == str(error)
    if kind is InvalidRequest:
        assert again.violations == faults


def test_an_overload_says_when_to_come_back():
    code, message, details = status_of(Overloaded("full", 2.5))
    assert error_of(code, message, details).retry_after == 2.5
    retry = RetryInfo()
    assert any(detail.Unpack(retry) for detail in Status.FromString(details).details)
    assert retry.retry_delay.ToNanoseconds() == 2_500_000_000


@given(
    st.lists(st.tuples(st.text(max_size=60), st.text(max_size=60), st.integers(1, 60)), min_size=1, max_size=60),
)
def test_many_and_long_violations_still_cross_as_what_they_are(said):
    """Details that a client's limit on trailers would refuse hold as many whole violations as fit, the first ones."""
    faults = tuple(Violation(field, description * times) for field, description, times in said)
    code, message, details = status_of(InvalidRequest(faults))
    assert len(details) <= min(DETAILS_BUDGET, transport.MAX_DETAILS)
    again = error_of(code, message, details)
    assert isinstance(again, InvalidRequest)
    assert len(again.violations) == len(faults) or len(details) > DETAILS_BUDGET - 2200
    for sent, came in zip(faults, again.violations, strict=False):
        assert sent.field.startswith(came.field)
        assert sent.description.startswith(came.description)
        assert sent == came or len((sent.field + sent.description).encode()) > 1000


@given(st.text(max_size=50), st.integers(1, 500))
def test_a_long_text_crosses_as_its_error(text, times):
    """Whatever script it is written in."""
    status = status_of(ModelNotFound(f"no model {text * times!r}"))
    assert len(status[2]) <= DETAILS_BUDGET
    assert type(error_of(*status)) is ModelNotFound


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (StatusCode.NOT_FOUND, ModelNotFound),
        (StatusCode.INTERNAL, EngineFault),
        (StatusCode.UNAVAILABLE, Unreachable),
        (StatusCode.DATA_LOSS, CarouselError),
    ],
)
def test_a_status_that_carousel_did_not_write_becomes_the_nearest_error(code, kind):
    assert type(error_of(code.value[0], "a proxy says")) is kind
