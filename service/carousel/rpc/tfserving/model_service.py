"""The methods of tensorflow.serving.ModelService."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from carousel.access import Scope
from carousel.errors import ModelNotFound
from carousel.rpc.interceptors import Kind, Method
from carousel.rpc.parsing import parse
from carousel.rpc.tfserving.model_spec import Spec, read_spec
from carousel.serving import Catalog, Limits
from carousel.stubs.tfserving import serving_pb2 as pb
from carousel.transport import Call, Code, Status

MODEL: str = pb.DESCRIPTOR.services_by_name["ModelService"].full_name

Rejected = Callable[[], Mapping[tuple[str, int], str]]
"""Tells why each version that cannot be served cannot, by name and number."""

_STATES = pb.ModelVersionStatus


class _Found(NamedTuple):
    state: pb.ModelVersionStatus.State
    reason: str = ""


class ModelService:
    """GetModelStatus; models are loaded by their folders, not by HandleReloadConfigRequest.

    Attributes:
        methods: Its rpcs.
    """

    def __init__(self, catalog: Catalog, rejected: Rejected, limits: Limits) -> None:
        """Answer from what is in the catalog, and what was rejected."""
        self._catalog = catalog
        self._rejected = rejected
        self._limits = limits
        served = {"GetModelStatus": self.get_model_status, "HandleReloadConfigRequest": self.reload}
        scopes = {"HandleReloadConfigRequest": Scope.ADMIN}
        self.methods = tuple(
            Method(MODEL, name, Kind.UNARY, function, scopes.get(name, Scope.PREDICT))
            for name, function in served.items()
        )

    def get_model_status(self, call: Call, message: bytes) -> None:
        """List the versions of a model, or the one that is named: served, on their way out, or rejected."""
        request = parse(pb.GetModelStatusRequest, message)
        spec = read_spec(request, request.model_spec, self._limits.name_bytes)
        response = pb.GetModelStatusResponse()
        for number, (state, reason) in sorted(self._found(spec).items(), reverse=True):
            status = response.model_version_status.add(version=number, state=state)
            status.status.SetInParent()
            if reason:
                status.status.error_code, status.status.error_message = Code.FAILED_PRECONDITION, reason
        call.reply(response.SerializeToString())

    def reload(self, call: Call, message: bytes) -> None:
        """Refuse: it is a call for administrators on a port for clients, and the repository says what is served."""
        parse(pb.ReloadConfigRequest, message)
        text = "models, versions and labels are read from the repository and the settings file, not from clients"
        call.fail(Status(Code.PERMISSION_DENIED, text))

    def _found(self, spec: Spec) -> dict[int, _Found]:
        """Find the versions that are asked for, by number."""
        if spec.label:
            try:
                number = self._catalog.find(spec.name, spec.number, spec.label).version.number
            except ModelNotFound as error:
                raise spec.not_found(error) from None
            return {number: _Found(_STATES.AVAILABLE)}
        found = {
            number: _Found(_STATES.END, reason)
            for (name, number), reason in self._rejected().items()
            if name == spec.name
        }
        for model in self._catalog.all_versions():
            if model.version.name == spec.name and found.get(model.version.number) != _Found(_STATES.AVAILABLE):
                found[model.version.number] = _Found(_STATES.UNLOADING if model.closing else _STATES.AVAILABLE)
        if spec.version is not None:
            found = {number: each for number, each in found.items() if number == spec.version}
        if not found:
            which = "any versions" if spec.version is None else f"version {spec.version}"
            raise ModelNotFound(f"Could not find {which} of model {spec.shown}")
        return found
