"""The forms of what is sent and answered, by name. JSON Schema 2020-12, as OpenAPI 3.1 has it."""

from typing import Any

Schema = dict[str, Any]


def ref(name: str) -> Schema:
    """Refer to a form by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def listed(items: Schema, **more: Any) -> Schema:
    """Describe a list of `items`."""
    return {"type": "array", "items": items, **more}


def form(required: dict[str, Schema], optional: dict[str, Schema] | None = None, description: str = "") -> Schema:
    """Describe an object by its keys."""
    said = {"description": description} if description else {}
    return {"type": "object", "required": [*required], "properties": {**required, **(optional or {})}, **said}


_TEXT, _FLAG, _COUNT, _WHOLE = (
    {"type": "string"},
    {"type": "boolean"},
    {"type": "integer", "minimum": 0},
    {"type": "integer"},
)
_BASE64 = {**_TEXT, "contentEncoding": "base64"}
_OBJECT: Schema = {"type": "object"}
_STEPS: Schema = {
    "description": "A sequence: a list of timesteps, each a list of its features, or one token. Of any length where "
    "the model allows it. NaN, Infinity and -Infinity are taken as bare tokens, which strict JSON has not.",
    "type": "array",
}
_NAMED: Schema = {"type": "object", "description": "Tensors by the names that the model's author gave them."}
_TENSOR = form(
    {"name": _TEXT, "shape": listed(_COUNT), "datatype": _TEXT},
    {"data": {"type": "array", "description": "Row-major, flat or nested."}, "parameters": _OBJECT},
    "`data`, or `parameters.binary_data_size` bytes after the JSON.",
)
_TENSOR_INFO = form({"name": _TEXT, "datatype": _TEXT, "shape": listed(_WHOLE)})

SCHEMAS: dict[str, Schema] = {
    "Error": form({"error": _TEXT}, description="What came, what was expected, what to do."),
    "Models": form({"models": listed(_TEXT)}),
    "ModelStatus": form(
        {
            "model_version_status": listed(
                form(
                    {
                        "version": _TEXT,
                        "state": {"enum": ["AVAILABLE", "UNLOADING"]},
                        "status": form({"error_code": _TEXT, "error_message": _TEXT}),
                    }
                )
            )
        }
    ),
    "ModelMetadata": form(
        {
            "model_spec": form({"name": _TEXT, "signature_name": _TEXT, "version": _TEXT}),
            "metadata": form({"signature_def": form({"signature_def": _OBJECT})}),
        }
    ),
    "Predict": {
        "type": "object",
        "description": "`instances`, sample by sample, or `inputs`, tensor by tensor; the answer has the same form.",
        "properties": {
            "signature_name": {
                "type": "string",
                "description": "`sequence` for every timestep's output, `last_step` for the last one's, "
                "`serving_default` for what the model's author chose.",
            },
            "instances": listed({"anyOf": [_STEPS, _NAMED, {"type": "number"}]}, minItems=1),
            "inputs": {"anyOf": [{"type": "array"}, _NAMED]},
        },
        "oneOf": [{"required": ["instances"]}, {"required": ["inputs"]}],
    },
    "Predictions": {
        "type": "object",
        "properties": {"predictions": {"type": "array"}, "outputs": {"type": ["array", "object"]}},
        "oneOf": [{"required": ["predictions"]}, {"required": ["outputs"]}],
    },
    "LiveMessage": form(
        {},
        {
            "open": form(
                {},
                {"return_sequences": _FLAG, "window": _COUNT, "initial_state": _BASE64, "outputs": listed(_TEXT)},
            ),
            "input": {"anyOf": [_STEPS, _NAMED]},
            "return_state": _FLAG,
            "close": _FLAG,
        },
        "One message of a client over the WebSocket.",
    ),
    "LiveAnswer": form(
        {},
        {
            "model": _TEXT,
            "version": _COUNT,
            "output": {"type": "array"},
            "outputs": _OBJECT,
            "state": _BASE64,
            "going_away": form({"state": _TEXT}),
            "error": _TEXT,
            "reason": _TEXT,
            "retry_after": {"type": "number"},
            "closed": {"const": True},
        },
        "The answer to one message, or the last word on the sequence.",
    ),
    "Server": form({"name": _TEXT, "version": _TEXT, "extensions": listed(_TEXT)}),
    "Live": form({"live": _FLAG}),
    "Ready": form({"ready": _FLAG}, {"name": _TEXT}),
    "V2Metadata": form(
        {
            "name": _TEXT,
            "versions": listed(_TEXT),
            "platform": _TEXT,
            "inputs": listed(_TENSOR_INFO),
            "outputs": listed(_TENSOR_INFO),
        }
    ),
    "V2Config": form({"name": _TEXT}, description="Triton's ModelConfig."),
    "V2Statistics": form({"model_stats": listed(form({"name": _TEXT, "version": _TEXT}))}),
    "Infer": form(
        {"inputs": listed(_TENSOR)},
        {
            "id": _TEXT,
            "parameters": {
                **_OBJECT,
                "description": "`sequence_id`, `sequence_start` and `sequence_end` for live sequences.",
            },
            "outputs": listed(form({"name": _TEXT}, {"parameters": _OBJECT})),
        },
    ),
    "InferAnswer": form(
        {"model_name": _TEXT, "model_version": _TEXT, "outputs": listed(_TENSOR)}, {"id": _TEXT, "parameters": _OBJECT}
    ),
    "Index": listed(form({"name": _TEXT, "version": _TEXT, "state": _TEXT, "reason": _TEXT})),
    "IndexRequest": form({}, {"ready": _FLAG}),
    "PageState": form({"carousel": _TEXT, "serving": _FLAG, "models": listed(_OBJECT)}, {"grpc_port": _COUNT}),
}
