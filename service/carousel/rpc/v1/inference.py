"""carousel.v1.InferenceService: whole sequences in, answers out; live sequences; and what the models are."""

from functools import partial

from carousel.rpc.forms import Forms, Mark
from carousel.rpc.interceptors import Kind, Method, fail
from carousel.rpc.parsing import parse
from carousel.rpc.stream import Streams
from carousel.rpc.v1.live import Live
from carousel.rpc.v1.models import write_model
from carousel.rpc.v1.predict import read_predict, write_predictions
from carousel.serving import Catalog, Limits, Pending, Request, Requests, Sessions
from carousel.stubs.v1 import inference_pb2 as pb
from carousel.transport import Call
from carousel.wire import trace_of

INFERENCE: str = pb.DESCRIPTOR.services_by_name["InferenceService"].full_name

_CONTENT = pb.Tensor.CONTENT_FIELD_NUMBER
_ELEMENTS = (pb.PredictRequest.INPUTS_FIELD_NUMBER, _CONTENT)
_OUTPUTS = (pb.PredictResponse.PREDICTIONS_FIELD_NUMBER, pb.Prediction.OUTPUT_FIELD_NUMBER, _CONTENT)


class Inference:
    """The service.

    Attributes:
        methods: Its rpcs.
    """

    def __init__(
        self, catalog: Catalog, requests: Requests, sessions: Sessions, streams: Streams, limits: Limits
    ) -> None:
        self._catalog = catalog
        self._requests = requests
        self._limits = limits
        self._forms = Forms(requests, catalog, elements=_ELEMENTS, outputs=_OUTPUTS)
        self.methods = (
            Method(INFERENCE, "Predict", Kind.UNARY, self._predict),
            Method(INFERENCE, "Stream", Kind.BIDI_STREAM, Live(catalog, sessions, streams, limits).stream),
            Method(INFERENCE, "GetModel", Kind.UNARY, self._get_model),
            Method(INFERENCE, "ListModels", Kind.UNARY, self._list_models),
        )

    def _predict(self, call: Call, message: bytes) -> None:
        """Run whole sequences, each of its own length."""
        if self._forms.serve(call, message):
            return
        predict = parse(pb.PredictRequest, message)
        call.model = predict.model
        trace = trace_of(call.metadata)
        request = read_predict(predict, len(message), call.deadline, trace, call.client, self._limits)
        mark = self._forms.mark(message) if len(predict.inputs) == 1 and not predict.outputs else None
        answer = partial(self._reply, call, predict, request, mark)
        call.on_cancel = self._requests.submit(request, answer, partial(fail, call)).abandon

    def _reply(
        self, call: Call, predict: pb.PredictRequest, request: Request, mark: Mark | None, pending: Pending
    ) -> None:
        message = write_predictions(pending, predict).SerializeToString()
        call.reply(message)
        if mark is not None and len(pending.version.signature.gives.columns) == 1:
            self._forms.keep(mark, request, pending, message)

    def _get_model(self, call: Call, message: bytes) -> None:
        """Describe one model."""
        request = parse(pb.GetModelRequest, message)
        call.model = request.model
        response = pb.GetModelResponse()
        write_model(self._catalog.find(request.model, request.version, request.version_label).version, response.model)
        call.reply(response.SerializeToString())

    def _list_models(self, call: Call, message: bytes) -> None:
        """Describe every model served."""
        parse(pb.ListModelsRequest, message)
        response = pb.ListModelsResponse()
        for model in self._catalog:
            write_model(model.version, response.models.add())
        call.reply(response.SerializeToString())
