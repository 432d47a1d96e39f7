"""What the programs of Triton's client stand on. The servers run in the process that started this one."""

import os
from collections.abc import Callable, Iterator

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceStub

from carousel.client import Client

_CHANCE = np.random.default_rng(5)


@pytest.fixture(scope="session")
def target() -> str:
    """A server of everything, with the default settings."""
    return os.environ["CAROUSEL_TARGET"]


@pytest.fixture(scope="session")
def strict() -> str:
    """A server that takes FP32 alone, loads by request, and lets live sequences be idle for half a second."""
    return os.environ["CAROUSEL_STRICT"]


@pytest.fixture(scope="session")
def server(target) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(target) as server:
        yield server


@pytest.fixture(scope="session")
def own(target) -> Iterator[Client]:
    """Carousel's own client, in a process that has Triton's."""
    with Client(target) as own:
        yield own


@pytest.fixture(scope="session")
def stub(target) -> Iterator[GRPCInferenceServiceStub]:
    """The bare protocol, for requests that Triton's client would not make."""
    with grpc.insecure_channel(target) as channel:
        yield GRPCInferenceServiceStub(channel)


@pytest.fixture
def draw() -> Callable[..., np.ndarray]:
    """Draw a tensor by its shape."""
    return lambda *shape: _CHANCE.standard_normal(shape, np.float32)


@pytest.fixture
def given() -> Callable[..., list[triton.InferInput]]:
    """Make inputs by name; a tensor's dtype says its datatype."""

    def make(**tensors) -> list[triton.InferInput]:
        inputs = []
        for name, array in tensors.items():
            datatype = {"f": "FP", "i": "INT"}[array.dtype.kind] + str(8 * array.dtype.itemsize)
            inputs.append(triton.InferInput(name, array.shape, datatype))
            inputs[-1].set_data_from_numpy(array)
        return inputs

    return make


@pytest.fixture
def wanted() -> Callable[..., list[triton.InferRequestedOutput]]:
    return lambda *names: [triton.InferRequestedOutput(name) for name in names]


@pytest.fixture
def states(server) -> Callable[[str], list[str]]:
    """The names of a model's states, as its configuration says."""

    def names(model: str) -> list[str]:
        listed = server.get_model_config(model).config.parameters["states"].string_value
        return [state.split(":")[0] for state in listed.split(",")]

    return names
