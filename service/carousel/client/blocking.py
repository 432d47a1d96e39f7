"""The client for ordinary programs."""

# Written by .ci/blocking_client.py from aio.py; do not edit.

import collections.abc
from typing import Any, Self

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub
from numpy.typing import ArrayLike

from carousel.client.bearer import bearing
from carousel.client.fleet import Fleet, LiveSequence
from carousel.client.messages import (
    ModelDescription,
    Prediction,
    description,
    predict_request,
    predictions,
    raised,
)
from carousel.client.retries import OPTIONS
from carousel.stubs.v1 import inference_pb2 as pb
from carousel.stubs.v1.inference_pb2_grpc import InferenceServiceStub


class Client:
    """Talks to the servers at one address. Safe to share between threads.

    with Client("localhost:8500") as client:
        [answer] = client.predict("weather", [window])
    """

    def __init__(
        self, target: str, credentials: grpc.ChannelCredentials | None = None, *, token: str | None = None
    ) -> None:
        """Connect to `target`, host:port or any name gRPC resolves; with `credentials` over TLS.

        A `token` goes with every call: over TLS, or else to a server on this machine alone, where nobody reads along.
        """
        if token is not None:
            credentials = bearing(token, credentials)
        if credentials is None:
            self._channel = grpc.insecure_channel(target, OPTIONS)
        else:
            self._channel = grpc.secure_channel(target, credentials, OPTIONS)
        self._stub = InferenceServiceStub(self._channel)
        self._health: Any = HealthStub(self._channel)  # its published types have no methods

    def predict(
        self,
        model: str,
        sequences: collections.abc.Sequence[ArrayLike | collections.abc.Mapping[str, ArrayLike]],
        *,
        version: int = 0,
        return_sequences: bool = False,
        return_state: bool = False,
        initial_state: collections.abc.Sequence[bytes] = (),
        outputs: collections.abc.Sequence[str] = (),
        timeout: float | None = None,
    ) -> list[Prediction]:
        """Run whole sequences, each of its own length.

        Args:
            model: The model's name.
            sequences: One array [timesteps, input_dim] a sequence, or [timesteps] of tokens; lengths may differ. Or one
                mapping a sequence: each input by the name that the model's author gave it, without the batch.
            version: The model's version; 0 is the newest served.
            return_sequences: Every timestep's output, not the last one's alone.
            return_state: Each sequence's state after its last timestep as well.
            initial_state: States to start from, as returned earlier: none, or one a sequence.
            outputs: Names of the outputs that are wanted; with mappings all, if none is named.
            timeout: Seconds to wait for the answer.

        Returns:
            An answer a sequence, in their order: its `output` is float32 [units], or [timesteps, units] with
            `return_sequences`.

        Raises:
            InvalidRequest: A sequence does not suit the model; names each fault.
            CarouselError: Another of the classes of `carousel.errors`, as the server raised it.
        """
        request = predict_request(model, sequences, version, return_sequences, return_state, initial_state, outputs)
        try:
            return predictions(self._stub.Predict(request, timeout=timeout))
        except grpc.RpcError as error:
            raise raised(error) from error

    def live(
        self,
        model: str,
        *,
        version: int = 0,
        return_sequences: bool = False,
        initial_state: bytes = b"",
        window: int = 0,
        outputs: collections.abc.Sequence[str] = (),
        snapshot_every: int = 64,
        timeout: float = 60.0,
    ) -> LiveSequence:
        """Begin a live sequence on a stream of its own; see `fleet` for many over one.

        with client.live("weather") as sequence:
            answer = sequence.feed(steps)

        Args:
            model: The model's name.
            version: The model's version; 0 is the newest served. It stays with the version it began on.
            return_sequences: Every timestep's output, not the last one's of each message alone.
            initial_state: A state to start from, as returned earlier.
            window: How many timesteps to keep: each new one is answered as `predict` would answer the last so many. 0
                is what the model takes, where that is fixed, else the model's own state goes on.
            outputs: Names of the outputs that are wanted. With mappings all that the author named, if none is.
            snapshot_every: Ask for a snapshot with every so many messages; those since it are kept, and sent again if
                the server is lost.
            timeout: Seconds to search for another server, before Unreachable is raised.

        Returns:
            The sequence. The server hears of it with its first timesteps, so that is where its errors are raised.
        """
        fleet = self.fleet(snapshot_every=snapshot_every, timeout=timeout)
        return fleet.only(
            pb.Open(
                model=model,
                version=version,
                return_sequences=return_sequences,
                initial_state=initial_state,
                window=window,
                outputs=outputs,
            )
        )

    def fleet(self, *, snapshot_every: int = 64, timeout: float = 60.0, max_unanswered: int = 1024) -> Fleet:
        """Open a stream for any number of live sequences.

        Args:
            snapshot_every: Ask for a snapshot of a sequence with every so many of its messages.
            timeout: Seconds to search for another server, before Unreachable is raised.
            max_unanswered: Messages that may wait for answers; above that, sending waits.

        Returns:
            The fleet, without a sequence.
        """
        return Fleet(self._stub.Stream, snapshot_every, timeout, max_unanswered)

    def get_model(self, model: str, version: int = 0, timeout: float | None = None) -> ModelDescription:
        """Describe one model.

        Args:
            model: The model's name.
            version: The model's version; 0 is the newest served.
            timeout: Seconds to wait for the answer; without end where None.

        Returns:
            What it takes and gives, its states and its engine.

        Raises:
            ModelNotFound: It is not served.
            CarouselError: Another of the classes of `carousel.errors`, as the server raised it.
        """
        try:
            response = self._stub.GetModel(pb.GetModelRequest(model=model, version=version), timeout=timeout)
        except grpc.RpcError as error:
            raise raised(error) from error
        return description(response.model)

    def list_models(self, timeout: float | None = None) -> list[ModelDescription]:
        """Describe every model served.

        Args:
            timeout: Seconds to wait for the answer; without end where None.

        Returns:
            A description for each version that is served, in the order of their names.

        Raises:
            CarouselError: One of the classes of `carousel.errors`, as the server raised it.
        """
        try:
            response = self._stub.ListModels(pb.ListModelsRequest(), timeout=timeout)
        except grpc.RpcError as error:
            raise raised(error) from error
        return [description(model) for model in response.models]

    def wait_until_serving(self, timeout: float) -> None:
        """Wait until a server is there and serving.

        Args:
            timeout: Seconds to wait at most.

        Raises:
            DeadlineExceeded: None was there by then.
            CarouselError: Another of the classes of `carousel.errors`, as the server raised it.
        """
        try:
            self._health.Check(HealthCheckRequest(), timeout=timeout, wait_for_ready=True)
        except grpc.RpcError as error:
            raise raised(error) from error

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
