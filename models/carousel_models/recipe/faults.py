"""What pydantic found wrong with a recipe, as one sentence a fault."""

import difflib
from collections.abc import Collection

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from carousel.errors import Violation

DECIDED = {
    "return_sequences": "follows from the layer's place: every LSTM but the last returns sequences",
    "return_state": "is Carousel's own affair: the export makes every state an argument and a result",
    "stateful": "is Carousel's own affair: the export makes every state an argument and a result",
}
"""Arguments of Keras' LSTM that a recipe does not say, and why."""


def faults_of(error: ValidationError, keys: Collection[str]) -> list[Violation]:
    """List every fault of a recipe in which `keys` are the only keys: each names its path in the file."""
    return [Violation(_path(fault), _sentence(fault, keys)) for fault in error.errors()]


def _path(fault: ErrorDetails) -> str:
    path = ""
    for part in _place(fault):
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path.removeprefix(".") or "the recipe"


def _place(fault: ErrorDetails) -> tuple[int | str, ...]:
    # pydantic puts the chosen kind of a source or layer between its table and its key; the file has no such level.
    match fault["loc"]:
        case ("source", _, "horizon", *_):
            return ("source", "horizon")
        case ("source", _, *rest):
            return ("source", *rest)
        case ("stack" | "decoder" as table, int(layer), _, *rest):
            return (table, layer, *rest)
        case ("tune", "open", str(key), *_):
            return ("tune", "open", key)
        case ("fit", "class_weight", _, *rest):
            return ("fit", "class_weight", *rest)
    return fault["loc"]


def _sentence(fault: ErrorDetails, keys: Collection[str]) -> str:
    match fault["type"]:
        case "missing":
            return "is missing"
        case "value_error":
            return str(fault["ctx"]["error"])
        case "extra_forbidden":
            return _unknown(str(fault["loc"][-1]), keys)
        case "union_tag_not_found":
            return 'has no kind: say kind = "table", "text" or "aeon"'
        case "union_tag_invalid":
            what = "layer" if fault["loc"][0] in {"stack", "decoder"} else "kind"
            return f"has the unknown {what} {fault['ctx']['tag']!r}: say one of {fault['ctx']['expected_tags']}"
    return f"{fault['msg'][0].lower()}{fault['msg'][1:]}; got {fault['input']!r}"


def _unknown(key: str, keys: Collection[str]) -> str:
    if key in DECIDED:
        return f"is not said in a recipe: it {DECIDED[key]}"
    near = difflib.get_close_matches(key, keys, n=1)
    return "is not a key here: " + (f"did you mean {near[0]!r}?" if near else "remove it")
