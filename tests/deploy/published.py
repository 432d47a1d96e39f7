"""Objects of KServe, KEDA and the Prometheus operator, held to their schemas as an API server publishes them."""

import gzip
import json
from functools import cache

import jsonschema

from tests.deploy.tools import TOOLS

_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


def faults(given: dict) -> list[str]:
    """Say what is wrong with an object, and where."""
    found = _validator(given["apiVersion"], given["kind"]).iter_errors(given)
    return [f"{fault.json_path}: {fault.message}" for fault in found]


@cache
def _validator(version: str, kind: str) -> jsonschema.Draft202012Validator:
    kinds, meta = _published()
    wanted = dict(zip(("group", "version"), version.split("/"), strict=True), kind=kind)
    [schema] = [each for each in kinds[kind.lower()] if wanted in each["x-kubernetes-group-version-kind"]]
    shared = {_META: _closed(meta)}  # named in the ways of OpenAPI 2 and 3
    return jsonschema.Draft202012Validator(_closed(schema) | {"definitions": shared, "components": {"schemas": shared}})


@cache
def _published() -> tuple[dict, dict]:
    [place] = TOOLS.glob("lib/*/site-packages/class_generator/schema")
    kinds = json.loads(gzip.decompress((place / "__resources-mappings.json.gz").read_bytes()))
    return kinds, json.loads((place / "_definitions.json").read_text())["definitions"][_META]


def _closed(schema: object) -> object:
    """Refuse what a schema does not name, as kubectl does; an API server would drop it without a word."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items() if key != "properties"}
    if schema.get("x-kubernetes-int-or-string"):
        closed["type"] = ["integer", "string"]
    if "properties" in schema:
        closed["properties"] = {name: _closed(each) for name, each in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            closed.setdefault("additionalProperties", False)
    return closed
