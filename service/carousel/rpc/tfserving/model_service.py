"""The methods of tensorflow.serving.ModelService."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from carousel.access import Scope
from carousel.errors import CarouselError, InvalidRequest, ModelNotFound, Violation, shortened
from carousel.rpc.interceptors import Kind, Method, fail
from carousel.rpc.parsing import parse
from carousel.rpc.tfserving.model_spec import Spec, read_spec
from carousel.serving import Catalog, Limits, Loader
from carousel.settings import ModelPolicy, policy_of
from carousel.stubs.tfserving import config_pb2
from carousel.stubs.tfserving import serving_pb2 as pb
from carousel.transport import Call, Code, Status

MODEL: str = pb.DESCRIPTOR.services_by_name["ModelService"].full_name

_STATES = pb.ModelVersionStatus


_MAX_MODELS = 10_000


class _Found(NamedTuple):
    state: pb.ModelVersionStatus.State
    reason: str = ""


class ModelService:
    """GetModelStatus; and HandleReloadConfigRequest, where models may be changed by request.

    Attributes:
        methods: Its rpcs.
    """

    def __init__(self, catalog: Catalog, loader: Loader, limits: Limits, *, control: bool) -> None:
        """Answer from what is in the catalog, and what was rejected; `control` allows reloading by request."""
        self._catalog = catalog
        self._loader = loader
        self._limits = limits
        self._control = control
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
        """Serve what the request lists, and nothing else, if that is allowed; the answer comes once it is loaded."""
        request = parse(pb.ReloadConfigRequest, message)
        if not self._control:
            text = (
                "models, versions and labels are read from the repository and the settings file, not from clients; "
                "repository_control is off on this server"
            )
            call.fail(Status(Code.PERMISSION_DENIED, text))
            return
        if request.config.WhichOneof("config") != "model_config_list":
            text = "ServerModelConfig type not supported by HandleReloadConfigRequest. Only model_config_list is."
            raise InvalidRequest((Violation("", text),))
        self._loader.serve_only(_models(request.config.model_config_list.config), partial(_answer, call))

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
            for (name, number), reason in self._loader.rejected.items()
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


def _models(configs: Sequence[config_pb2.ModelConfig]) -> dict[str, tuple[Path, ModelPolicy]]:
    """Read what to serve: by name the folder of a model's versions, and which of them."""
    if len(configs) > _MAX_MODELS:
        raise _wrong("model_config_list", f"names {len(configs)} models, the limit is {_MAX_MODELS}")
    models: dict[str, tuple[Path, ModelPolicy]] = {}
    for i, config in enumerate(configs):
        field = f"model_config_list.config[{i}]"
        if not config.name or config.name in models:
            raise _wrong(f"{field}.name", f"is {shortened(config.name)!r}, expected a name, and each once")
        try:
            models[config.name] = Path(config.base_path), ModelPolicy.model_validate(policy_of(config))
        except ValidationError as error:
            raise _wrong(field, "; ".join(each["msg"] for each in error.errors())) from error
    return models


def _answer(call: Call, error: CarouselError | None) -> None:
    if error is not None:
        fail(call, error)
        return
    response = pb.ReloadConfigResponse()
    response.status.SetInParent()
    call.reply(response.SerializeToString())


def _wrong(field: str, description: str) -> InvalidRequest:
    return InvalidRequest((Violation(field, description),))
