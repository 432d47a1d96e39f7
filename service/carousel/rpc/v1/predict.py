"""carousel.v1: whole sequences in, answers out; and what the models are."""

from functools import partial

from carousel.batching import Sequence
from carousel.errors import InvalidRequest, NotStateful, Violation
from carousel.rpc.interceptors import fail
from carousel.rpc.trace import trace_of
from carousel.rpc.v1.prediction import write_model, write_prediction
from carousel.serving import Catalog, Group, Model, Version, read_snapshot
from carousel.stubs.v1.inference_pb2 import (
    GetModelRequest,
    GetModelResponse,
    ListModelsResponse,
    PredictRequest,
    PredictResponse,
)
from carousel.tensors import FLOAT32, Floats
from carousel.transport import Call
from carousel.wire import Bounds, read_steps


class Inference:
    """The unary methods of carousel.v1.InferenceService."""

    def __init__(self, catalog: Catalog, bounds: Bounds) -> None:
        self._catalog = catalog
        self._bounds = bounds

    def predict(self, call: Call, message: bytes) -> None:
        """Run whole sequences, each of its own length."""
        request = PredictRequest.FromString(message)
        model = self._catalog.find(request.model, request.version, request.version_label)
        _admit(request, len(message), model, call.deadline)
        inputs = self._inputs(request, model)
        starts = _starts(request, model)
        answer = partial(_reply, call, model.version, [timesteps for timesteps, _ in starts])
        group = Group(model, answer, partial(fail, call))
        trace = trace_of(call.metadata)
        group.sequences = [
            Sequence(
                steps,
                group.take,
                return_sequences=request.return_sequences,
                return_state=request.return_state,
                state=state,
                deadline=call.deadline,
                trace=trace,
            )
            for steps, (_, state) in zip(inputs, starts, strict=True)
        ]
        call.on_cancel = group.abandon
        group.submit()

    def get_model(self, call: Call, message: bytes) -> None:
        """Describe one model."""
        request = GetModelRequest.FromString(message)
        model = self._catalog.find(request.model, request.version, request.version_label)
        response = GetModelResponse()
        write_model(model.version, response.model)
        call.reply(response.SerializeToString())

    def list_models(self, call: Call, _message: bytes) -> None:
        """Describe every model served."""
        response = ListModelsResponse()
        for model in self._catalog:
            write_model(model.version, response.models.add())
        call.reply(response.SerializeToString())

    def _inputs(self, request: PredictRequest, model: Model) -> list[Floats]:
        """Read every sequence, or name every fault of the request at once."""
        faults: list[Violation] = []
        samples = len(request.inputs)
        if not samples:
            faults.append(Violation("inputs", "is missing: expected one tensor a sequence"))
        if samples > self._bounds.samples:
            faults.append(Violation("inputs", f"holds {samples} sequences, the limit is {self._bounds.samples}"))
        if len(request.initial_state) not in (0, samples):
            found = f"holds {len(request.initial_state)} states for {samples} inputs, expected none or one each"
            faults.append(Violation("initial_state", found))
        if request.return_sequences and model.signature.sequence is None:
            faults.append(Violation("return_sequences", "the model gives no output for every timestep"))
        sequences = []
        for i, tensor in enumerate(request.inputs[: self._bounds.samples]):
            steps, found_here = read_steps(tensor, f"inputs[{i}]", model.signature, self._bounds)
            faults += found_here
            if steps is not None:
                sequences.append(steps)
        if faults:
            raise InvalidRequest(tuple(faults))
        return sequences


def _admit(request: PredictRequest, size: int, model: Model, deadline: float) -> None:
    """Refuse before working, by the shapes alone: nothing else of the request was looked at yet.

    No message of `size` bytes holds more timesteps than fit, whatever its shapes say.
    """
    lengths = [tensor.shape[0] for tensor in request.inputs if tensor.shape]
    most = size // (FLOAT32.itemsize * model.signature.input_dim)
    timesteps, longest = (max(0, min(most, steps)) for steps in (sum(lengths), max(lengths, default=0)))
    model.admit(len(lengths), timesteps, longest, deadline)


def _reply(call: Call, version: Version, starts: list[int], sequences: list[Sequence]) -> None:
    response = PredictResponse(model=version.name, version=version.number)
    for sequence, start in zip(sequences, starts, strict=True):
        write_prediction(sequence, start, version, response.predictions.add())
    call.reply(response.SerializeToString())


def _starts(request: PredictRequest, model: Model) -> list[tuple[int, Floats | None]]:
    """Say where each sequence starts: timesteps taken before, and the row of state; None is zeros."""
    if not request.initial_state:
        return [(0, None)] * len(request.inputs)
    return [read_start(snapshot, model) for snapshot in request.initial_state]


def read_start(snapshot: bytes, model: Model) -> tuple[int, Floats | None]:
    """Read a snapshot a sequence starts from; an empty one is the beginning.

    Raises:
        NotStateful: The model has no states.
        SnapshotRefused: It is not a state of this model.
    """
    if not snapshot:
        return 0, None
    if not model.stateful:
        raise NotStateful(f"{model.version.name} cannot ride in chunks, so it has no states")
    return read_snapshot(snapshot, model.version.fingerprint, model.version.state_width)
