"""The same requests to a kube-apiserver and to the model, and whether both make the same of them.

The sample kind has every type of list and map that a schema can ask for.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPSConnection
from typing import Any
from urllib.parse import urlencode

from tenantry.model.errors import Code, TenantryError
from tenantry.model.jsontree import equal
from tenantry.model.managedfields import ownership
from tenantry.model.managedfields.managers import check, default_name
from tenantry.model.managedfields.schema import compile_schema
from tenantry.model.managedfields.typed import validate
from tenantry.model.patches import json_patch, merge_patch
from tests.cluster.controlplane import ControlPlane
from tests.model.structural import conform, fill_defaults

Document = dict[str, Any]

GROUP, API_VERSION = "test.tenantry.dev", "test.tenantry.dev/v1"

STRING: Document = {"type": "string"}
STRINGS: Document = {"type": "object", "additionalProperties": STRING}
PAIR: Document = {"type": "object", "properties": {"a": STRING, "b": {"type": "integer"}}}
SCHEMA: Document = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "text": STRING,
                "number": {"type": "integer"},
                "ratio": {"type": "number"},
                "flag": {"type": "boolean"},
                "state": {"type": "string", "default": "Active"},
                "when": {"type": "string", "format": "date-time"},
                "port": {"x-kubernetes-int-or-string": True},
                "maybe": {"type": "string", "nullable": True},
                "labels": STRINGS,
                "atomicMap": {**STRINGS, "x-kubernetes-map-type": "atomic"},
                "pair": {**PAIR, "nullable": True},
                "atomicPair": {**PAIR, "x-kubernetes-map-type": "atomic"},
                "defaulted": {"type": "object", "default": {}, "properties": {"c": {"type": "string", "default": "d"}}},
                "pairs": {"type": "object", "additionalProperties": PAIR},
                "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": STRING},
                "numbers": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "integer"}},
                "options": {"type": "array", "nullable": True, "x-kubernetes-list-type": "set", "items": STRING},
                "args": {"type": "array", "items": STRING},
                "subjects": {"type": "array", "x-kubernetes-list-type": "atomic", "items": PAIR},
                "items": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {
                            "name": STRING,
                            "value": STRING,
                            "mode": {"type": "string", "default": "rw"},
                            "labels": STRINGS,
                            "ports": {
                                "type": "array",
                                "x-kubernetes-list-type": "map",
                                "x-kubernetes-list-map-keys": ["port", "protocol"],
                                "items": {
                                    "type": "object",
                                    "required": ["port"],
                                    "properties": {
                                        "port": {"type": "integer"},
                                        "protocol": {"type": "string", "default": "TCP"},
                                        "note": STRING,
                                    },
                                },
                            },
                        },
                    },
                },
                "values": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "anything": {"x-kubernetes-preserve-unknown-fields": True},
                "open": {
                    "type": "object",
                    "x-kubernetes-preserve-unknown-fields": True,
                    "properties": {"known": PAIR},
                },
            },
        },
        "status": {
            "type": "object",
            "properties": {
                "phase": STRING,
                "conditions": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["type"],
                    "items": {
                        "type": "object",
                        "required": ["type"],
                        "properties": {"type": STRING, "status": STRING},
                    },
                },
            },
        },
    },
}
USER_AGENT = "tester/1.0 (test)"
CREATE, PUT = "create", "put"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"

#: What the server alone says about an object; taken from its answer.
SERVER_METADATA = ("namespace", "uid", "resourceVersion", "creationTimestamp", "generation")
STATUS = {Code.BAD_REQUEST: 400, Code.CONFLICT: 409, Code.INVALID: 422, Code.TOO_LARGE: 413}


@dataclass(frozen=True)
class Step:
    """One request: ``verb`` is create, put, or a patch's content type; a document in ``body`` needs no head."""

    verb: str
    body: Any
    manager: str = "m1"  # none: the server takes the User-Agent
    force: bool = False
    subresource: str = ""

    def document(self, kind: str, name: str, live: Document | None = None) -> Any:
        """What is sent."""
        if self.verb in (MERGE, JSON_PATCH):
            return self.body
        metadata = {**self.body.get("metadata", {}), "name": name}
        if live and self.verb == PUT:
            metadata["resourceVersion"] = live["metadata"]["resourceVersion"]
        return {"apiVersion": API_VERSION, "kind": kind, **self.body, "metadata": metadata}


class Replay:
    """A kind on a kube-apiserver, and sequences of writes to objects of it."""

    def __init__(self, plane: ControlPlane, kind: str) -> None:
        self._plane = plane
        self._plural = f"{kind.lower()}s"
        self._path = f"/apis/{API_VERSION}/namespaces/default/{self._plural}"
        self._connection = HTTPSConnection("127.0.0.1", plane.port, timeout=30, context=plane.tls)
        self._numbers = itertools.count()
        self.schema: Document = {}
        self.type = compile_schema(API_VERSION, kind, {})

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def install(self, schema: Document) -> None:
        """Serve the kind with ``schema``; a schema that replaces another one takes effect some time later."""
        self.schema, self.type = schema, compile_schema(API_VERSION, self.type.kind, schema)
        name = f"{self._plural}.{GROUP}"
        kind = self.type.kind
        names = {"plural": self._plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"}
        version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
        crd = {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": name},
            "spec": {
                "group": GROUP,
                "scope": "Namespaced",
                "names": names,
                "versions": [version | {"subresources": {"status": {}}}],
            },
        }
        self._plane.kubectl("apply", "-f", "-", input=json.dumps(crd))
        self._plane.kubectl("wait", "--for=condition=Established", f"crd/{name}", "--timeout=30s")

    def request(self, method: str, path: str, body: object = None, content_type: str = "application/json") -> Document:
        """The JSON that the server answers: an object, a list or a Status; ``path`` is below that of the kind."""
        headers = {
            "Authorization": f"Bearer {self._plane.admin_token}",
            "Content-Type": content_type,
            "User-Agent": USER_AGENT,
        }
        text = None if method == "GET" else json.dumps(body)
        self._connection.request(method, self._path + path, text, headers)
        answer: Document = json.loads(self._connection.getresponse().read())
        return answer

    def play(self, steps: list[Step], live: Document | None = None) -> Document | None:
        """Play ``steps`` on one object, a new one unless ``live`` is given, and return it as it is in the end.

        Raises:
            AssertionError: a step has another outcome here than there.
        """
        name = live["metadata"]["name"] if live else f"sample-{next(self._numbers)}"
        for number, step in enumerate(steps):
            if live is None and (step.subresource or step.verb not in (CREATE, APPLY)):
                continue  # the first one was refused
            answer = self.send(step, name, live)
            try:
                self._compare(step, name, live, answer)
            except AssertionError as error:
                error.add_note(f"step {number}: {step}")
                error.add_note(f"live: {json.dumps(live)}")
                raise
            live = live if answer["kind"] == "Status" else answer
        return live

    def send(self, step: Step, name: str, live: Document | None, dry_run: str = "") -> Document:
        """The server's answer to one step."""
        query = {"fieldManager": step.manager, "force": "true" if step.force else "", "dryRun": dry_run}
        path = "" if step.verb == CREATE else f"/{name}/{step.subresource}".rstrip("/")
        method = {CREATE: "POST", PUT: "PUT"}.get(step.verb, "PATCH")
        content_type = "application/json" if step.verb in (CREATE, PUT) else step.verb
        chosen = {key: value for key, value in query.items() if value}
        return self.request(
            method, f"{path}?{urlencode(chosen)}", step.document(self.type.kind, name, live), content_type
        )

    def _compare(self, step: Step, name: str, live: Document | None, answer: Document) -> None:
        ours = self._try(step, name, live, newest_time(answer))
        if isinstance(ours, TenantryError):
            assert answer["kind"] == "Status", f"refused only here: {ours.message}"
            compare_refusals(answer, ours)
            return
        assert answer["kind"] == self.type.kind, f"refused only there: {answer.get('message')}"
        unchanged = live is not None and ownership.unchanged(live, with_facts(ours, live))
        expected = live if unchanged and live else ours
        expected, found = with_facts(expected, answer), at_one_time(answer, live)
        assert equal(expected, found), f"different\nhere:  {json.dumps(expected)}\nthere: {json.dumps(found)}"
        if live:
            written = answer["metadata"]["resourceVersion"] != live["metadata"]["resourceVersion"]
            if written and unchanged:
                # an apply can leave an empty map or list of metadata in the store, which the next write takes out
                again = self.send(step, name, answer)
                written = again["metadata"]["resourceVersion"] != answer["metadata"]["resourceVersion"]
            assert unchanged is not written, f"written there: {written}, to be written here: {not unchanged}"

    def _try(self, step: Step, name: str, live: Document | None, now: int) -> Document | TenantryError:
        try:
            return self._play(step, name, live, now)
        except TenantryError as error:
            return error

    def _play(self, step: Step, name: str, live: Document | None, now: int) -> Document:
        """What the server should have stored, before it fills in its own metadata."""
        manager, body = step.manager or default_name(USER_AGENT), step.document(self.type.kind, name, live)
        if step.verb == APPLY:
            merged = ownership.apply(
                self.type, live, body, manager=manager, now=now, force=step.force, subresource=step.subresource
            )
            return self._stored(kept_from(live, fill_defaults(self.schema, merged), step.subresource))
        if step.verb == MERGE:
            body = merge_patch(live or {}, body)
        elif step.verb == JSON_PATCH:
            body = json_patch(live or {}, body)
        body, _ = conform(self.schema, body)
        updated = ownership.update(self.type, live, body, manager=manager, now=now, subresource=step.subresource)
        return self._stored(kept_from(live, updated, step.subresource))

    def _stored(self, document: Document) -> Document:
        """``document``, unless it is not of the schema's shape."""
        problems = validate(self.type.type, document) + forbidden_nulls(self.schema, document)
        problems += [error.message for error in check(document["metadata"].get("managedFields", []))]
        if problems:
            raise TenantryError(Code.INVALID, f"not to be stored: {problems}")
        return conform(self.schema, document)[0]


def with_facts(document: Document, stored: Document) -> Document:
    """``document`` with what the server says about itself in ``stored``."""
    facts = {key: stored["metadata"][key] for key in SERVER_METADATA if key in stored["metadata"]}
    return {**document, "metadata": {**document["metadata"], **facts}}


def kept_from(live: Document | None, new: Document, subresource: str) -> Document:
    """``new`` with what its door cannot change taken from ``live``."""
    if subresource:
        assert live is not None
        managed = new["metadata"].get("managedFields")
        metadata = without(live["metadata"], "managedFields") | ({"managedFields": managed} if managed else {})
        return without({**live, "metadata": metadata}, "status") | (
            {"status": new["status"]} if "status" in new else {}
        )
    return without(new, "status") | ({"status": live["status"]} if live and "status" in live else {})


def without(document: Document, key: str) -> Document:
    """``document`` but for one key."""
    return {name: value for name, value in document.items() if name != key}


def forbidden_nulls(schema: Document, value: Any, path: str = "") -> list[str]:
    """Where ``value`` has a null of a declared type that is not nullable."""
    if value is None:
        return [path] if "type" in schema and not schema.get("nullable") else []
    if isinstance(value, list):
        return [found for item in value for found in forbidden_nulls(schema.get("items", {}), item, f"{path}[]")]
    if not isinstance(value, dict):
        return []
    additional, known = schema.get("additionalProperties", {}), schema.get("properties", {})
    return [
        found
        for name, item in value.items()
        for found in forbidden_nulls(known.get(name, additional), item, f"{path}.{name}")
    ]


def newest_time(document: Document) -> int:
    """The time of the last write in managed fields, in epoch microseconds."""
    entries = document.get("metadata", {}).get("managedFields", [])
    times = [datetime.fromisoformat(entry["time"]).timestamp() for entry in entries if "time" in entry]
    return int(max(times, default=0) * 1_000_000)


def at_one_time(answer: Document, live: Document | None) -> Document:
    """``answer`` as if kube-apiserver read its clock once: a first apply makes two entries, maybe in two seconds."""
    before = (live or {}).get("metadata", {}).get("managedFields", [])
    known = {entry["manager"] for entry in before}  # what an entry loses later does not change its time
    newest = max((entry.get("time", "") for entry in answer["metadata"].get("managedFields", [])), default="")
    entries = [
        entry | {"time": newest}
        if entry["manager"] == "before-first-apply" and entry["manager"] not in known
        else entry
        for entry in answer["metadata"].get("managedFields", [])
    ]
    return {**answer, "metadata": answer["metadata"] | ({"managedFields": entries} if entries else {})}


def compare_refusals(answer: Document, error: TenantryError) -> None:
    """Whether a Status says what an error says."""
    if error.message.startswith("failed to create typed patch object"):
        # kube-apiserver calls a configuration that does not fit the schema an internal error; we call it invalid
        assert answer["code"] == 500
        assert answer["message"] == error.message
        return
    assert answer["code"] == STATUS[error.code], f"there: {answer}, here: {error.code} {error.message}"
    if error.code is Code.CONFLICT:
        causes = sorted((cause["field"], cause["message"], cause["reason"]) for cause in answer["details"]["causes"])
        assert sorted((field.path, field.message, field.code.value) for field in error.fields) == causes
    if error.code is not Code.INVALID:
        assert error.message == answer["message"]
