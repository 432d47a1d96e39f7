"""The parameters of an inference request that change what the server does."""

from collections.abc import Mapping
from typing import NamedTuple

from carousel.errors import Violation
from carousel.stubs.oip.open_inference_pb2 import InferParameter

_MICROSECONDS = 1e6


class Parameters(NamedTuple):
    """What the server heeds; parameters it does not know are the client's own business.

    Attributes:
        sequence: The id of the live sequence the request belongs to; None where it is a request of its own.
        start, end: Whether it is the first, or the last, of its live sequence.
        timeout: Seconds after which nobody waits for the answer; None for no such limit.
    """

    sequence: int | str | None
    start: bool
    end: bool
    timeout: float | None


def read_parameters(parameters: Mapping[str, InferParameter], max_name: int) -> tuple[Parameters, list[Violation]]:
    """Read a request's parameters, and name every fault; an id may have `max_name` characters."""
    if not parameters:
        return _NOTHING, []
    faults: list[Violation] = []
    sequence = _whole(parameters, "sequence_id", faults, or_text=True)
    if isinstance(sequence, str) and len(sequence) > max_name:
        found = f"has {len(sequence)} characters, the limit is {max_name} (max_name_bytes)"
        faults.append(Violation("parameters.sequence_id", found))
        sequence = ""
    start, end = _flag(parameters, "sequence_start", faults), _flag(parameters, "sequence_end", faults)
    if not sequence and (start or end):
        faults.append(Violation("parameters.sequence_id", "is missing beside sequence_start or sequence_end"))
    if _whole(parameters, "priority", faults):
        found = "is not served: short sequences ride first, and none starves; leave it out, or give a timeout"
        faults.append(Violation("parameters.priority", found))
    timeout = _whole(parameters, "timeout", faults)
    assert not isinstance(timeout, str)
    if timeout < 0:
        faults.append(Violation("parameters.timeout", f"is {timeout} microseconds, expected a positive number"))
    if timeout and sequence:
        found = "is not taken with a sequence_id: a step that was dropped would leave a gap; use a gRPC deadline"
        faults.append(Violation("parameters.timeout", found))
    seconds = timeout / _MICROSECONDS if timeout else None
    return Parameters(sequence or None, start, end, seconds), faults


_NOTHING = Parameters(None, start=False, end=False, timeout=None)


def _flag(parameters: Mapping[str, InferParameter], name: str, faults: list[Violation]) -> bool:
    if name not in parameters:
        return False
    value = parameters[name]
    if value.WhichOneof("parameter_choice") != "bool_param":
        faults.append(Violation(f"parameters.{name}", "is no bool_param"))
    return bool(value.bool_param)


def _whole(
    parameters: Mapping[str, InferParameter], name: str, faults: list[Violation], *, or_text: bool = False
) -> int | str:
    if name not in parameters:
        return 0
    value = parameters[name]
    kind = value.WhichOneof("parameter_choice")
    if kind in {"int64_param", "uint64_param"} or (or_text and kind == "string_param"):
        found: int | str = getattr(value, kind)
        return found
    expected = "int64_param, uint64_param or string_param" if or_text else "int64_param or uint64_param"
    faults.append(Violation(f"parameters.{name}", f"is no {expected}"))
    return 0
