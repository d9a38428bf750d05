"""From the one pydantic declaration to what others read: structural schema, CRD, JSON Schema.

A structural schema (KEP-1693, apiextensions ``Structural``) is a JSON Schema without ``$ref``, ``anyOf`` for null or
``additionalProperties: false``; pydantic's output is rewritten into that form once, at import of nobody: only the
generator, the OpenAPI document and server-side apply ask for it.
"""

from __future__ import annotations

from functools import cache
from typing import Any, get_args

from tenantry.model import names
from tenantry.model.fields import Model
from tenantry.model.kinds import Kind
from tenantry.model.objectmeta import ObjectMeta
from tenantry.model.resource import API_VERSION, GROUP, VERSION

Schema = dict[str, Any]

_DROPPED = {"title", "additionalProperties", "$defs"}


@cache
def structural(model: type[Model]) -> Schema:
    """The structural schema of a spec or status type; treat the result as read-only."""
    source = model.model_json_schema(by_alias=True)
    return _rewrite(source, source.get("$defs", {}), _models(model))


@cache
def document(kind: Kind) -> Schema:
    """The structural schema of a whole object of ``kind``, as it stands in the CRD."""
    schema: Schema = {
        "type": "object",
        "description": kind.description,
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": f"Always `{API_VERSION}`."},
            "kind": {"type": "string", "description": f"Always `{kind.name}`."},
            "metadata": _metadata(kind),
            "spec": structural(kind.spec),
            "status": structural(kind.status),
        },
    }
    if kind.name_rule:
        schema["x-kubernetes-validations"] = [kind.name_rule.to_schema()]
    return schema


def crd(kind: Kind) -> dict[str, Any]:
    """The CustomResourceDefinition of ``kind``."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.qualified},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "names": {
                "plural": kind.plural,
                "singular": kind.singular,
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "categories": ["tenantry"],
                **({"shortNames": list(kind.short_names)} if kind.short_names else {}),
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [
                        {
                            "name": column.name,
                            "type": column.type,
                            "jsonPath": column.path,
                            **({"priority": column.priority} if column.priority else {}),
                        }
                        for column in kind.columns
                    ],
                    "schema": {"openAPIV3Schema": document(kind)},
                }
            ],
        },
    }


def json_schema(kind: Kind) -> Schema:
    """A JSON Schema (2020-12) of a whole manifest, for editors: unknown fields are refused."""
    schema = _closed(document(kind))
    parts = schema["properties"]
    parts["apiVersion"] |= {"const": API_VERSION}
    parts["kind"] |= {"const": kind.name}
    parts["metadata"] = _closed(structural(ObjectMeta))
    parts["metadata"]["properties"]["name"] |= kind.name_schema or {"maxLength": 253, "pattern": names.DNS_SUBDOMAIN}
    parts["metadata"]["anyOf"] = [{"required": ["name"]}, {"required": ["generateName"]}]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"https://{GROUP}/schemas/{VERSION}/{kind.singular}.json",
        "title": kind.name,
        **schema,
        "required": ["apiVersion", "kind", "metadata", "spec"],
    }


def _metadata(kind: Kind) -> Schema:
    return {"type": "object"} | ({"properties": {"name": dict(kind.name_schema)}} if kind.name_schema else {})


def _rewrite(node: Schema, definitions: dict[str, Schema], models: dict[str, type[Model]]) -> Schema:
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        siblings = {key: value for key, value in node.items() if key != "$ref"}
        return _rewrite({**definitions[name], **siblings}, definitions, models)
    if "anyOf" in node and "x-kubernetes-int-or-string" not in node:
        (only,) = [branch for branch in node["anyOf"] if branch != {"type": "null"}]
        siblings = {key: value for key, value in node.items() if key not in {"anyOf", "default"}}
        return _rewrite({**only, **siblings}, definitions, models)
    out = {key: value for key, value in node.items() if key not in _DROPPED}
    if "const" in out:
        out["enum"] = [out.pop("const")]
    if "properties" in out:
        out["properties"] = {key: _rewrite(value, definitions, models) for key, value in out["properties"].items()}
    if "items" in out:
        out["items"] = _rewrite(out["items"], definitions, models)
    if isinstance(node.get("additionalProperties"), dict):
        out["additionalProperties"] = _rewrite(node["additionalProperties"], definitions, models)
    rules = models[node["title"]].rules if node.get("title") in models and "properties" in node else ()
    if rules:
        out["x-kubernetes-validations"] = [rule.to_schema() for rule in rules]
    if out.get("type") == "array":
        out.setdefault("x-kubernetes-list-type", "atomic")
    return out


def _models(model: type[Model]) -> dict[str, type[Model]]:
    """Every model that is reachable from ``model``, by its name."""
    found: dict[str, type[Model]] = {}

    def visit(annotation: Any) -> None:
        if isinstance(annotation, type) and issubclass(annotation, Model):
            if annotation.__name__ not in found:
                found[annotation.__name__] = annotation
                for field in annotation.model_fields.values():
                    visit(field.annotation)
        else:
            for part in get_args(annotation):
                visit(part)

    visit(model)
    return found


def _closed(node: Schema) -> Schema:
    """The same schema with unknown fields refused and Kubernetes' own keywords removed."""
    out: Schema = {}
    for key, value in node.items():
        if key.startswith("x-kubernetes-"):
            continue
        if key == "properties":
            out[key] = {name: _closed(child) for name, child in value.items()}
        elif key in {"items", "additionalProperties"}:
            out[key] = _closed(value)
        else:
            out[key] = value
    open_ended = {"additionalProperties", "x-kubernetes-preserve-unknown-fields"} & node.keys()
    if "properties" in node and not open_ended:
        out["additionalProperties"] = False
    return out
