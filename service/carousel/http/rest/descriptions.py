"""What is said of a model: the state of its versions, and the signatures of one of them."""

from typing import Any

from carousel.artifact import TensorSpec
from carousel.errors import InvalidRequest, ModelNotFound, Violation, shortened
from carousel.http.rest.paths import Path
from carousel.serving import Catalog, Face, Version, faces

_OK = {"error_code": "OK", "error_message": ""}


def status(catalog: Catalog, path: Path) -> dict[str, Any]:
    """Say which versions of a model there are, the newest first. On the loop's thread.

    Raises:
        ModelNotFound, InvalidRequest: There is none, or not that one.
    """
    only = path.version
    if path.label:
        only = catalog.labels.get(path.name, {}).get(path.label, 0)
        if not only:
            found = f"Unrecognized servable version label: {shortened(path.label)}"
            raise InvalidRequest((Violation("", found),))
    states = {
        model.version.number: "UNLOADING" if model.closing else "AVAILABLE"
        for model in reversed(catalog.all_versions())
        if model.version.name == path.name and only in {0, model.version.number}
    }
    if not states:
        what = f"version {path.version}" if path.version else "any versions"
        raise ModelNotFound(f"Could not find {what} of model {path.name}")
    return {
        "model_version_status": [
            {"version": str(number), "state": states[number], "status": _OK} for number in sorted(states, reverse=True)
        ]
    }


def metadata(version: Version) -> dict[str, Any]:
    """Describe a version's signatures as TensorFlow Serving does, protobuf's JSON."""
    signatures = {name: _signature(face) for name, face in faces(version).items()}
    return {
        "model_spec": {"name": version.name, "signature_name": "", "version": str(version.number)},
        "metadata": {"signature_def": {"signature_def": signatures}},
    }


def _signature(face: Face) -> dict[str, Any]:
    return {
        "inputs": {spec.name: _tensor(face, spec) for spec in face.takes.specs},
        "outputs": {spec.name: _tensor(face, spec) for spec in face.gives.specs},
        "method_name": "tensorflow/serving/predict",
        "defaults": {},
    }


def _tensor(face: Face, spec: TensorSpec) -> dict[str, Any]:
    dims = [{"size": str(-1 if dim is None else dim), "name": ""} for dim in spec.shape]
    return {
        "dtype": _DTYPES[spec.dtype],
        "tensor_shape": {"dim": dims, "unknown_rank": False},
        "name": f"{face.name}_{spec.name}:0",
    }


_DTYPES = {
    "float32": "DT_FLOAT",
    "float64": "DT_DOUBLE",
    "float16": "DT_HALF",
    "int64": "DT_INT64",
    "int32": "DT_INT32",
    "int16": "DT_INT16",
    "int8": "DT_INT8",
    "uint8": "DT_UINT8",
    "bool": "DT_BOOL",
}
