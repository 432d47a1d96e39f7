"""The methods of tensorflow.serving.PredictionService."""

from functools import partial

from carousel.errors import InvalidRequest, ModelNotFound, Violation, shortened
from carousel.rpc.interceptors import Kind, Method, fail
from carousel.rpc.parsing import parse
from carousel.rpc.tfserving.model_spec import faces_of, read_spec, write_spec
from carousel.rpc.tfserving.prediction import Prediction
from carousel.rpc.tfserving.tensor_proto import describe_tensor
from carousel.serving import Catalog, Limits, Pending, Requests
from carousel.stubs.tfserving import serving_pb2 as pb
from carousel.transport import Call, Code, Status
from carousel.wire import trace_of

PREDICTION: str = pb.DESCRIPTOR.services_by_name["PredictionService"].full_name

_SIGNATURES = "signature_def"
_METHOD = "tensorflow/serving/predict"
_REFUSED = ("Classify", "Regress", "MultiInference")


class PredictionService:
    """Predict and GetModelMetadata; the rest takes tf.Example, which no model here does.

    Attributes:
        methods: Its rpcs.
    """

    def __init__(self, catalog: Catalog, requests: Requests, limits: Limits) -> None:
        """Answer from what is in the catalog."""
        self._catalog = catalog
        self._requests = requests
        self._limits = limits
        served = {"Predict": self.predict, "GetModelMetadata": self.get_model_metadata}
        served |= {name: partial(_refuse, name) for name in _REFUSED}
        self.methods = tuple(Method(PREDICTION, name, Kind.UNARY, function) for name, function in served.items())

    def predict(self, call: Call, message: bytes) -> None:
        """Run one request."""
        request = parse(pb.PredictRequest, message)
        spec = read_spec(request, request.model_spec, self._limits.name_bytes)
        prediction = Prediction(request, len(message), spec)

        def answer(pending: Pending) -> None:
            call.reply(prediction.write(pending).SerializeToString())

        asked = prediction.request(call.deadline, trace_of(call.metadata), call.client)
        try:
            call.on_cancel = self._requests.submit(asked, answer, partial(fail, call)).abandon
        except ModelNotFound as error:
            raise spec.not_found(error) from None

    def get_model_metadata(self, call: Call, message: bytes) -> None:
        """Say which signatures a version has."""
        request = parse(pb.GetModelMetadataRequest, message)
        spec = read_spec(request, request.model_spec, self._limits.name_bytes)
        if not request.metadata_field:
            raise _wrong("GetModelMetadataRequest must specify at least one metadata_field")
        for field in request.metadata_field:
            if field != _SIGNATURES:
                raise _wrong(f"Metadata field {shortened(field)} is not supported")
        try:
            version = self._catalog.find(spec.name, spec.number, spec.label).version
        except ModelNotFound as error:
            raise spec.not_found(error) from None
        signatures = pb.SignatureDefMap()
        for name, face in faces_of(version).items():
            signature = signatures.signature_def[name]
            signature.method_name = _METHOD
            for tensor in (*face.takes.specs, *face.states):
                describe_tensor(tensor, signature.inputs[tensor.name])
            for tensor in (*face.gives.specs, *face.states):
                describe_tensor(tensor, signature.outputs[tensor.name])
        response = pb.GetModelMetadataResponse()
        write_spec(version, response.model_spec)
        response.metadata[_SIGNATURES].Pack(signatures)
        call.reply(response.SerializeToString())


def _refuse(name: str, call: Call, _message: bytes) -> None:
    text = f"{name} takes tf.Example, and the models served here take tensors: call Predict"
    call.fail(Status(Code.UNIMPLEMENTED, text))


def _wrong(text: str) -> InvalidRequest:
    return InvalidRequest((Violation("", text),))
