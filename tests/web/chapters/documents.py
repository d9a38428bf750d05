"""The documents and addresses that the chapters speak of, and what is compared of an answer."""

from __future__ import annotations

import re
from typing import Any

Document = dict[str, Any]

GOLD = "plans/$run-gold"
ACME = "tenants/$run-acme"
CONFIGS = "namespaces/$run/configs"
WEB = f"{CONFIGS}/web"
#: what only this conversation has made
RUN = "labelSelector=run%3D$run"

#: printer columns of what the server computes
_COMPUTED = frozenset(
    {"Tenants", "Ready", "Revision", "Message", "Reason", "Namespaces", "Tenant-ID", "Scope", "Ref", "Rev", "Rollout"}
    | {"Suspension"}
)
_AGE = re.compile(r"\d+s")


def plan(name: str = "gold", *, meta: Document | None = None, **spec: Any) -> Document:
    """A Plan `$run-{name}`."""
    return _document("Plan", f"$run-{name}", meta, {"displayName": "Gold"} | spec)


def tenant(name: str = "acme", *, meta: Document | None = None, **spec: Any) -> Document:
    """A Tenant `$run-{name}` on a plan that there is not, so that none counts it."""
    return _document("Tenant", f"$run-{name}", meta, {"displayName": "Acme", "planRef": {"name": "$run-none"}} | spec)


def config(name: str = "web", *, meta: Document | None = None, **spec: Any) -> Document:
    """A Config in the namespace `$run`."""
    meta = {"namespace": "$run"} | (meta or {})
    return _document("Config", name, meta, {"configSet": name, "scope": {"global": {}}} | spec)


def _document(kind: str, name: str, meta: Document | None, spec: Document) -> Document:
    return {
        "apiVersion": "tenantry.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "labels": {"run": "$run"}} | (meta or {}),
        "spec": spec,
    }


def without_status(tree: Any) -> Any:
    """All but the status of objects, which our server computes and nobody in that cluster does."""
    if isinstance(tree, list):
        return [without_status(item) for item in tree]
    if not isinstance(tree, dict):
        return tree
    if tree.get("kind") == "Status":
        return tree
    shown = {key: without_status(value) for key, value in tree.items() if key != "status"}
    if tree.get("kind") == "Table":
        columns = [column["name"] for column in tree["columnDefinitions"]]
        for row in shown["rows"]:
            row["cells"] = [_cell(name, cell) for name, cell in zip(columns, row["cells"], strict=True)]
    return shown


def _cell(column: str, value: Any) -> Any:
    if column in _COMPUTED:
        return "computed"
    return _AGE.fullmatch(value) is not None if column == "Age" else value


def whole(tree: Any) -> Any:
    """Everything."""
    return tree


def verdict(tree: Any) -> Any:
    """Of a Status what programs go by, for refusals whose words are those of Go's decoders."""
    return {key: tree.get(key) for key in ("kind", "status", "reason", "code")} if isinstance(tree, dict) else tree


def without_managers(tree: Any) -> Any:
    """All but the managed fields, where our server has set some of the status before."""
    if isinstance(tree, dict):
        return {key: without_managers(value) for key, value in tree.items() if key not in {"managedFields", "status"}}
    return tree


def rows(event: Any) -> Any:
    """Of an event with a Table its rows: kube-apiserver sends the columns with the first one only."""
    return event["type"], [[row["cells"][0], row["object"]] for row in event["object"]["rows"]]


def names(tree: Any) -> Any:
    """Of a list the names and where it goes on."""
    return (
        tree if tree["kind"] == "Status" else [tree["metadata"], [item["metadata"]["name"] for item in tree["items"]]]
    )
