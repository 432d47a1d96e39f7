"""The protocol's messages as JSON, and an answer's tensors in binary after it."""

from typing import Any

import numpy as np
from google.protobuf.message import Message

from carousel.http.documents import numbers, write_document
from carousel.http.v2.reading import Asked
from carousel.oip import DTYPES
from carousel.stubs.oip.open_inference_pb2 import ModelInferResponse


def write_infer(response: ModelInferResponse, asked: Asked) -> tuple[bytes, int | None]:
    """Write an answer's body, and how many bytes of it are JSON; None where all are."""
    outputs, binary = [], []
    for tensor, raw in zip(response.outputs, response.raw_output_contents, strict=True):
        output: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)}
        if asked.in_binary(tensor.name):
            output["parameters"] = {"binary_data_size": len(raw)}
            binary.append(raw)
        else:
            array = np.frombuffer(raw, DTYPES[tensor.datatype])
            if tensor.datatype == "FP16":  # which JSON has no form for
                array, output["datatype"] = array.astype(np.float32), "FP32"
            output["data"] = numbers(array)
        outputs.append(output)
    document = {"model_name": response.model_name, "model_version": response.model_version, "outputs": outputs}
    if response.id:
        document["id"] = response.id
    text = write_document(document)
    return (b"".join((text, *binary)), len(text)) if binary else (text, None)


def document_of(message: Message) -> dict[str, Any]:
    """Write a message as Triton does: every field by its own name, whole numbers as numbers."""
    document: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            entry = field.message_type.fields_by_name["value"]
            document[field.name] = {str(key): _plain(value[key], entry) for key in value}
        elif field.is_repeated:
            document[field.name] = [_plain(each, field) for each in value]
        elif not field.has_presence or message.HasField(field.name):
            document[field.name] = _plain(value, field)
    return document


def _plain(value: Any, field: Any) -> Any:
    if field.message_type is not None:
        return document_of(value)
    if field.enum_type is not None:
        return field.enum_type.values_by_number[value].name
    return value.hex() if isinstance(value, bytes) else value
