"""The document of :predict, in its two forms: `instances`, sample by sample, and `inputs`, tensor by tensor."""

from dataclasses import dataclass
from typing import Any

from carousel.artifact import SERVING
from carousel.errors import InvalidRequest, Violation
from carousel.http.documents import read_numbers, shown
from carousel.serving import Face
from carousel.tensors import Samples

_MAX_FAULTS = 20


@dataclass(frozen=True, slots=True)
class Predict:
    """What was asked.

    Attributes:
        signature: The signature's name.
        rows: Whether it came as `instances`; the answer has the same form.
        value: What stands under that key.
    """

    signature: str
    rows: bool
    value: Any


def read_predict(document: Any) -> Predict:
    """Read which form it has.

    Raises:
        InvalidRequest: It has none, or both.
    """
    if not isinstance(document, dict):
        raise _fault(f"JSON Value: {shown(document)} Is not object")
    signature = document.get("signature_name", SERVING)
    if not isinstance(signature, str):
        raise _fault(f"JSON Value: {shown(document)} 'signature_name' key must be a string value.")
    rows, columns = "instances" in document, "inputs" in document
    if rows and columns:
        raise _fault(
            f"JSON Value: {shown(document)} Not formatted correctly expecting only one of 'inputs' or 'instances' keys "
            "to exist"
        )
    if not rows and not columns:
        raise _fault("Missing 'inputs' or 'instances' key")
    value = document["instances" if rows else "inputs"]
    if rows and not isinstance(value, list):
        raise _fault(f"JSON Value: {shown(value)} Expecting 'instances' to be an list/array")
    if rows and not value:
        raise _fault("JSON Value: [] No values in 'instances' array")
    return Predict(signature or SERVING, rows, value)


def read_samples(predict: Predict, face: Face, max_samples: int) -> list[Samples]:
    """Read the sequences, each as the one array that runs: [timesteps, input_dim] or [timesteps].

    Raises:
        InvalidRequest: Names every fault of the first samples that have any.
    """
    takes, value = face.takes, predict.value
    if not predict.rows and (len(takes.columns) > 1 or isinstance(value, dict)):
        return _columns(value, face)
    samples = value if isinstance(value, list) else [value]
    if len(samples) > max_samples:
        raise _fault(f"holds {len(samples)} sequences, the limit is {max_samples} (max_samples)")
    packed: list[Samples] = []
    faults: list[Violation] = []
    size = 0
    key = "instances" if predict.rows else "inputs"
    for i, sample in enumerate(samples):
        where, found = f"{key}[{i}]", list[Violation]()
        try:
            one = takes.pack(_named(sample, face, where, i), found, size)
        except InvalidRequest as error:
            one, found = None, list(error.violations)
        else:
            found = [Violation(f"{where}.{fault.field}", fault.description) for fault in found]
        faults += found
        if one is not None:
            size += one.nbytes
            packed.append(one)
        if len(faults) >= _MAX_FAULTS:
            break
    if faults:
        raise InvalidRequest(tuple(faults))
    return packed


def _named(sample: Any, face: Face, where: str, i: int) -> dict[str, Samples]:
    """Read one sample's tensors by the author's names; where there is one input, its name may be left out."""
    names = face.takes.names
    if isinstance(sample, dict):
        if sample.keys() != set(names):
            found = f"JSON object: {shown(sample)} keys must be equal to: {','.join(names)}"
            raise _fault(f"Failed to process element: {i} of 'instances' list. {found}")
        return {name: read_numbers(value, f"{where}.{name}") for name, value in sample.items()}
    if len(names) > 1:
        found = f"JSON Value: {shown(sample)} expected an object with the keys {','.join(names)}"
        raise _fault(f"Failed to process element: {i} of 'instances' list. {found}")
    return {names[0]: read_numbers(sample, where)}


def _columns(value: Any, face: Face) -> list[Samples]:
    names = face.takes.names
    if not isinstance(value, dict):
        raise _fault(f"JSON Value: {shown(value)} expected an object with the keys {','.join(names)}", "inputs")
    for name in names:
        if name not in value:
            raise _fault(f"Missing named input: {name} in 'inputs' object.")
    faults: list[Violation] = []
    tensors = {name: read_numbers(value[name], f"inputs.{name}") for name in names}
    packed = face.takes.pack_batch(tensors, faults)
    if faults:
        raise InvalidRequest(tuple(Violation(f"inputs.{each.field}", each.description) for each in faults))
    return packed


def _fault(found: str, field: str = "") -> InvalidRequest:
    return InvalidRequest((Violation(field, found),))
