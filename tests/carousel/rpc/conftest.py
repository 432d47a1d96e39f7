"""The services as any stock client sees them."""

from collections.abc import Iterator

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from google.rpc.status_pb2 import Status

from carousel.errors import CarouselError
from carousel.stubs.v1.inference_pb2_grpc import InferenceServiceStub
from carousel.wire import error_of

collect_ignore = ["triton"]  # its programs run in processes of their own: see test_open_inference


class Refusal:
    """A failed call, read from its status alone: code, message, error name, and (field, description) of each fault."""

    def __init__(self, error: grpc.RpcError) -> None:
        self.code = error.code()
        self.message = error.details()
        self.reason = ""
        self.violations: list[tuple[str, str]] = []
        self.details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
        for detail in Status.FromString(self.details).details:
            name, bad = ErrorInfo(), BadRequest()
            if detail.Unpack(name):
                self.reason = name.reason
            elif detail.Unpack(bad):
                self.violations = [(each.field, each.description) for each in bad.field_violations]

    @property
    def error(self) -> CarouselError:
        return error_of(self.code.value[0], self.message, self.details)


@pytest.fixture(scope="session")
def channel(serving) -> Iterator[grpc.Channel]:
    """A stock channel to the server of everything."""
    with grpc.insecure_channel(serving.target) as channel:
        yield channel


@pytest.fixture(scope="session")
def stub(channel) -> InferenceServiceStub:
    return InferenceServiceStub(channel)


@pytest.fixture
def refusal():
    """Make a call that must fail, and read why."""

    def read(call, *arguments, **options) -> Refusal:
        with pytest.raises(grpc.RpcError) as caught:
            call(*arguments, timeout=30, **options)
        return Refusal(caught.value)

    return read
