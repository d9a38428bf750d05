"""Requests that are wrong, each with what is to be said: the rows of `test_bad_input`, and the documents in them."""

from dataclasses import dataclass
from typing import Any

PLANS, TENANTS, CONFIGS = "plans", "tenants", "namespaces/team/configs"
JSON = "application/json"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"
LIMIT = 3 * 1024 * 1024 // 2
Object = dict[str, Any]


def document(kind: str, name: str, spec: Object, **meta: Any) -> Object:
    return {"apiVersion": "tenantry.dev/v1alpha1", "kind": kind, "metadata": {"name": name, **meta}, "spec": spec}


def plan(name: str = "new", **meta: Any) -> Object:
    return document("Plan", name, {"displayName": name}, **meta)


def tenant(name: str = "new", **meta: Any) -> Object:
    return document("Tenant", name, {"displayName": name, "planRef": {"name": "pro"}}, **meta)


def config(name: str = "new", values: Any = None, **meta: Any) -> Object:
    spec = {"configSet": "web", "scope": {"plan": {"ref": "pro"}}, "values": values or {}}
    return document("Config", name, spec, **meta)


def deep(depth: int) -> Any:
    """An object in an object, so many times."""
    tree: Any = 1
    for _ in range(depth):
        tree = {"a": tree}
    return tree


def lines(*text: str) -> bytes:
    return "\n".join(text).encode()


HEAD = ("apiVersion: tenantry.dev/v1alpha1", "kind: Plan", "metadata: {name: new}")
BOMB = lines(
    *HEAD,
    "spec:",
    "  displayName: x",
    "  a: &a [x, x, x, x, x, x, x, x, x]",
    *(f"  {new}: &{new} [{', '.join([f'*{old}'] * 9)}]" for old, new in zip("abcdefgh", "bcdefghi", strict=True)),
)


@dataclass(frozen=True)
class Row:
    """A request, and what is said to it: the code, the reason, a part of the message, the fields named."""

    title: str
    method: str
    path: str
    body: Any
    code: int
    reason: str
    says: str
    fields: tuple[str, ...] = ()
    media: str = JSON


ROWS = [
    # what is no document
    Row("no body", "POST", PLANS, b"", 400, "BadRequest", "Expecting value in line 1"),
    Row("half an object", "POST", PLANS, b'{"kind": ', 400, "BadRequest", "in line 1, column 10"),
    Row("two objects", "POST", PLANS, b"{} {}", 400, "BadRequest", "Extra data"),
    Row("a list", "POST", PLANS, b"[]", 400, "BadRequest", "must be one object"),
    Row("no number", "POST", PLANS, b'{"spec": NaN}', 400, "BadRequest", "NaN is not JSON"),
    Row("not UTF-8", "POST", PLANS, b'{"kind": "\xff"}', 400, "BadRequest", "not UTF-8 at byte 10"),
    Row("too deep", "POST", CONFIGS, config(values=deep(100)), 400, "BadRequest", "nested more than 64 deep"),
    Row("bottomless", "POST", PLANS, b'{"a":' * 200_000, 400, "BadRequest", "nested more than 64 deep"),
    Row(
        "too many values",
        "POST",
        PLANS,
        b"[0" + b",0" * 65_535 + b"]",
        413,
        "RequestEntityTooLarge",
        "more than 65536 values",
    ),
    Row("too large", "POST", PLANS, b" " * (LIMIT + 1), 413, "RequestEntityTooLarge", f"limit is {LIMIT} bytes"),
    Row("a key twice", "POST", PLANS, b'{"spec": {"a": 1, "a": 2}}', 400, "BadRequest", 'duplicate field "spec.a"'),
    Row("no JSON", "POST", PLANS, b"a=1", 415, "UnsupportedMediaType", JSON, media="application/x-www-form-urlencoded"),
    Row(
        "protobuf",
        "POST",
        PLANS,
        b"k8s\x00",
        415,
        "UnsupportedMediaType",
        JSON,
        media="application/vnd.kubernetes.protobuf",
    ),
    # what is no YAML as it is taken here
    Row("a YAML bomb", "PATCH", f"{PLANS}/new", BOMB, 413, "RequestEntityTooLarge", "alias", media=APPLY),
    Row(
        "a YAML tag",
        "PATCH",
        f"{PLANS}/new",
        lines(*HEAD, "spec: !!python/object:os.system {}"),
        400,
        "BadRequest",
        "line 4",
        media=APPLY,
    ),
    Row(
        "tabs",
        "PATCH",
        f"{PLANS}/new",
        lines(*HEAD, "spec:", "\tdisplayName: x"),
        400,
        "BadRequest",
        "line 5",
        media=APPLY,
    ),
    Row(
        "a YAML key twice",
        "PATCH",
        f"{PLANS}/new",
        lines(*HEAD, "kind: Plan"),
        400,
        "BadRequest",
        "line 4",
        media=APPLY,
    ),
    Row(
        "two YAML documents",
        "PATCH",
        f"{PLANS}/new",
        lines(*HEAD, "---", *HEAD),
        400,
        "BadRequest",
        "must be one YAML document, and it has 2",
        media=APPLY,
    ),
    Row(
        "a word that YAML 1.1 takes for true",
        "PATCH",
        f"{PLANS}/new",
        lines(*HEAD, "spec: {displayName: on}"),
        400,
        "BadRequest",
        "line 4",
        media=APPLY,
    ),
    # what is the wrong document
    Row(
        "no kind",
        "POST",
        PLANS,
        {"metadata": {"name": "new"}},
        400,
        "BadRequest",
        "must be tenantry.dev/v1alpha1 and Plan",
    ),
    Row("another kind", "POST", PLANS, tenant(), 422, "Invalid", "must be Plan", ("kind",)),
    Row("another version", "POST", PLANS, plan() | {"apiVersion": "tenantry.dev/v2"}, 400, "BadRequest", "v1alpha1"),
    Row("another namespace", "POST", CONFIGS, config(namespace="other"), 400, "BadRequest", "namespace"),
    Row(
        "another name",
        "PUT",
        f"{PLANS}/pro",
        plan("other", resourceVersion="1"),
        400,
        "BadRequest",
        "does not match the name on the URL",
    ),
    Row("metadata that is a list", "POST", PLANS, plan() | {"metadata": []}, 400, "BadRequest", "metadata"),
    Row("a name that is a number", "POST", PLANS, plan(name=5), 400, "BadRequest", "metadata.name"),  # type: ignore[arg-type]
    Row("labels that are numbers", "POST", PLANS, plan(labels={"a": 1}), 400, "BadRequest", "metadata.labels"),
    # what has the wrong shape
    Row(
        "no name",
        "POST",
        PLANS,
        plan(""),
        422,
        "Invalid",
        "name or generateName is required",
        ("metadata.name", "spec.displayName"),
    ),
    Row("a wrong name", "POST", TENANTS, tenant("Acme Inc"), 422, "Invalid", "metadata.name", ("metadata.name",)),
    Row("a reserved name", "POST", TENANTS, tenant("kube"), 422, "Invalid", "choose another", ("metadata.name",)),
    Row("no spec", "POST", PLANS, {**plan(), "spec": {}}, 422, "Invalid", "Required value", ("spec.displayName",)),
    Row(
        "a wrong type",
        "POST",
        PLANS,
        {**plan(), "spec": {"displayName": 5}},
        422,
        "Invalid",
        "must be of type string",
        ("spec.displayName",),
    ),
    Row(
        "two wrong fields",
        "POST",
        PLANS,
        {**plan(), "spec": {"displayName": "", "maxMembers": "x"}},
        422,
        "Invalid",
        "spec.maxMembers",
        ("spec.displayName", "spec.maxMembers"),
    ),
    Row("a wrong label", "POST", PLANS, plan(labels={"a b": "c"}), 422, "Invalid", "a b", ("metadata.labels",)),
    Row(
        "an unknown field",
        "POST",
        f"{PLANS}?fieldValidation=Strict",
        {**plan(), "spec": {"displayName": "x", "colour": "red"}},
        400,
        "BadRequest",
        'unknown field "spec.colour"',
    ),
    Row(
        "an immutable field",
        "PATCH",
        f"{CONFIGS}/web",
        {"spec": {"configSet": "shop"}},
        422,
        "Invalid",
        "immutable",
        ("spec",),
        MERGE,
    ),
    # what does not fit what is there
    Row(
        "a name that is taken",
        "POST",
        PLANS,
        plan("pro"),
        409,
        "AlreadyExists",
        'plans.tenantry.dev "pro" already exists',
    ),
    Row(
        "what is not there",
        "PUT",
        f"{PLANS}/new",
        plan(resourceVersion="1"),
        404,
        "NotFound",
        'plans.tenantry.dev "new" not found',
    ),
    Row(
        "no version",
        "PUT",
        f"{PLANS}/pro",
        plan("pro"),
        422,
        "Invalid",
        "must be specified for an update",
        ("metadata.resourceVersion",),
    ),
    Row(
        "a stale version",
        "PUT",
        f"{PLANS}/pro",
        plan("pro", resourceVersion="999"),
        409,
        "Conflict",
        "apply your changes to the latest version",
    ),
    Row(
        "a stale patch",
        "PATCH",
        f"{PLANS}/pro",
        {"metadata": {"resourceVersion": "999"}},
        409,
        "Conflict",
        "latest version",
        media=MERGE,
    ),
    Row(
        "a version at creation",
        "POST",
        PLANS,
        plan(resourceVersion="1"),
        400,
        "BadRequest",
        "resourceVersion should not be set",
    ),
    Row(
        "another uid",
        "DELETE",
        f"{PLANS}/free",
        {"preconditions": {"uid": "x"}},
        409,
        "Conflict",
        "UID in precondition: x",
    ),
    Row(
        "preconditions that are a list",
        "DELETE",
        f"{PLANS}/free",
        {"preconditions": ["x"]},
        400,
        "BadRequest",
        "preconditions",
    ),
    Row(
        "a cluster's tenant",
        "PATCH",
        f"{TENANTS}/theirs",
        {"spec": {"displayName": "x"}},
        409,
        "Conflict",
        'cluster "prod": change it there',
        media=MERGE,
    ),
    Row(
        "a cluster's tenant, deleted",
        "DELETE",
        f"{TENANTS}/theirs",
        None,
        409,
        "Conflict",
        'cluster "prod": change it there',
    ),
    Row(
        "a name with a tombstone",
        "POST",
        TENANTS,
        tenant("buried"),
        409,
        "Conflict",
        'cluster "prod", which alone can bring it back',
    ),
    Row(
        "a dry run of a list", "DELETE", f"{PLANS}/free", {"dryRun": [[]]}, 400, "BadRequest", "dryRun is of the wrong"
    ),
    Row("a plan in use", "DELETE", f"{PLANS}/pro", None, 403, "Forbidden", "move them to another plan first"),
    # what is no patch
    Row(
        "a patch that is a text",
        "PATCH",
        f"{PLANS}/pro",
        b'"x"',
        400,
        "BadRequest",
        "error decoding patch",
        media=MERGE,
    ),
    Row(
        "a patch of nothing that is there",
        "PATCH",
        f"{PLANS}/pro",
        [{"op": "remove", "path": "/spec/none"}],
        422,
        "Invalid",
        "does not apply",
        media=JSON_PATCH,
    ),
    Row(
        "an operation that is none",
        "PATCH",
        f"{PLANS}/pro",
        [{"op": "burn", "path": "/spec"}],
        422,
        "Invalid",
        "burn",
        media=JSON_PATCH,
    ),
    Row(
        "a strategic merge patch",
        "PATCH",
        f"{PLANS}/pro",
        {},
        415,
        "UnsupportedMediaType",
        MERGE,
        media="application/strategic-merge-patch+json",
    ),
    Row(
        "a patch to another kind",
        "PATCH",
        f"{PLANS}/pro",
        {"kind": "Tenant"},
        422,
        "Invalid",
        "must be Plan",
        ("kind",),
        MERGE,
    ),
    Row(
        "an apply without a manager",
        "PATCH",
        f"{PLANS}/new?fieldManager=",
        plan(),
        422,
        "Invalid",
        "is required for apply patch",
        ("fieldManager",),
        APPLY,
    ),
    Row(
        "an apply with managed fields",
        "PATCH",
        f"{PLANS}/new",
        plan(managedFields=[{"manager": "x"}]),
        400,
        "BadRequest",
        "managedFields must be nil",
        media=APPLY,
    ),
    # parameters and addresses
    Row(
        "a selector that is none",
        "GET",
        f"{PLANS}?labelSelector=a%20in%20b",
        None,
        400,
        "BadRequest",
        "found 'b' expected: '('",
    ),
    Row("a field that is not selected by", "GET", f"{PLANS}?fieldSelector=spec.a=b", None, 400, "BadRequest", "spec.a"),
    Row("a token that is none", "GET", f"{PLANS}?limit=1&continue=xyz", None, 400, "BadRequest", "continue"),
    Row(
        "a version that is none",
        "GET",
        f"{PLANS}?resourceVersion=abc",
        None,
        400,
        "BadRequest",
        "must be a number that this server gave",
    ),
    Row("a dry run of one half", "POST", f"{PLANS}?dryRun=Half", plan(), 422, "Invalid", "All", ("dryRun",)),
    Row(
        "a validation that is none",
        "POST",
        f"{PLANS}?fieldValidation=Fierce",
        plan(),
        422,
        "Invalid",
        "Strict",
        ("fieldValidation",),
    ),
    Row(
        "a manager with control characters",
        "POST",
        f"{PLANS}?fieldManager=a%07b",
        plan(),
        422,
        "Invalid",
        "invalid character",
        ("fieldManager",),
    ),
    Row("an unknown resource", "GET", "pods", None, 404, "NotFound", ""),
    Row("a method that is none", "PUT", PLANS, plan(), 405, "MethodNotAllowed", ""),
    Row("a name that is no text", "GET", f"{PLANS}/%ff%fe", None, 404, "NotFound", ""),
    Row("a name with a zero byte", "GET", f"{PLANS}/a%00b", None, 404, "NotFound", ""),
]
