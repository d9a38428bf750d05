"""What a Kubernetes client asks before anything else: versions, groups, resources, and who it is allowed to be.

The documents are made once, when the module is imported; kube-apiserver with our CRDs is the reference for their form.
"""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from tenantry import __version__
from tenantry.model.kinds import KINDS, Kind
from tenantry.model.permissions import Permission
from tenantry.model.resource import API_VERSION, GROUP, VERSION
from tenantry.web.kubernetes.negotiation import Form, negotiate
from tenantry.web.routes import Route

VERBS = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"]
STATUS_VERBS = ["get", "update", "patch"]
#: the virtual resources of other groups, which only take a POST: group -> kind -> plural
REVIEWS = {
    "authentication.k8s.io": {"SelfSubjectReview": "selfsubjectreviews"},
    "authorization.k8s.io": {
        "SelfSubjectAccessReview": "selfsubjectaccessreviews",
        "SelfSubjectRulesReview": "selfsubjectrulesreviews",
    },
}
#: the Kubernetes version whose behaviour this API follows; clients compare their own with it
KUBERNETES_MINOR = 36

_FORMS = frozenset({Form.OBJECT, Form.DISCOVERY})


def _version() -> dict[str, Any]:
    return {
        "major": "1",
        "minor": str(KUBERNETES_MINOR),
        "gitVersion": f"v1.{KUBERNETES_MINOR}.0+tenantry-{__version__}",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": "python",
    }


def _group(name: str, version: str) -> dict[str, Any]:
    entry = {"groupVersion": f"{name}/{version}", "version": version}
    return {"name": name, "versions": [entry], "preferredVersion": entry}


def _resources(kind: Kind) -> list[dict[str, Any]]:
    names = {"shortNames": list(kind.short_names)} if kind.short_names else {}
    return [
        {
            "name": kind.plural,
            "singularName": kind.singular,
            "namespaced": kind.namespaced,
            "kind": kind.name,
            "verbs": VERBS,
            **names,
            "categories": ["tenantry"],
        },
        {
            "name": f"{kind.plural}/status",
            "singularName": "",
            "namespaced": kind.namespaced,
            "kind": kind.name,
            "verbs": STATUS_VERBS,
        },
    ]


def _resource_list(group_version: str, resources: list[dict[str, Any]]) -> dict[str, Any]:
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources}


def _review_resources(kinds: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {"name": plural, "singularName": kind.lower(), "namespaced": False, "kind": kind, "verbs": ["create"]}
        for kind, plural in kinds.items()
    ]


def _discovered(kind: Kind) -> dict[str, Any]:
    """One entry of aggregated discovery (``apidiscovery.k8s.io/v2``)."""
    response = {"group": GROUP, "version": VERSION, "kind": kind.name}
    names = {"shortNames": list(kind.short_names)} if kind.short_names else {}
    return {
        "resource": kind.plural,
        "responseKind": response,
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": VERBS,
        **names,
        "categories": ["tenantry"],
        "subresources": [{"subresource": "status", "responseKind": response, "verbs": STATUS_VERBS}],
    }


def _aggregated() -> dict[str, Any]:
    items = [
        {
            "metadata": {"name": GROUP, "creationTimestamp": None},
            "versions": [
                {"version": VERSION, "resources": [_discovered(kind) for kind in KINDS], "freshness": "Current"}
            ],
        }
    ]
    for group, kinds in REVIEWS.items():
        resources = [
            {
                "resource": plural,
                "responseKind": {"group": group, "version": "v1", "kind": kind},
                "scope": "Cluster",
                "singularResource": kind.lower(),
                "verbs": ["create"],
            }
            for kind, plural in kinds.items()
        ]
        version = {"version": "v1", "resources": resources, "freshness": "Current"}
        items.append({"metadata": {"name": group, "creationTimestamp": None}, "versions": [version]})
    return _aggregate(items)


def _aggregate(items: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }


_CORE = {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
#: kopf starts only where there are namespaces, and the official Python client looks for ``v1`` before anything else.
#: No verb, because a namespace is only a label here; kubectl reads the aggregated form, and sees nothing of it.
_NAMESPACES = {"name": "namespaces", "singularName": "namespace", "namespaced": False, "kind": "Namespace", "verbs": []}
_GROUPS = {
    "kind": "APIGroupList",
    "apiVersion": "v1",
    "groups": [_group(GROUP, VERSION), *(_group(group, "v1") for group in REVIEWS)],
}


def _answer(document: dict[str, Any], aggregated: dict[str, Any] | None = None) -> Any:
    """A handler that answers with a document made here and now."""
    plain = orjson.dumps(document)
    discovered = orjson.dumps(aggregated) if aggregated else b""

    async def handler(request: web.Request) -> web.Response:
        allowed = _FORMS if aggregated else frozenset({Form.OBJECT})
        accepted = negotiate(request.headers.get("Accept", ""), allowed)
        if accepted.form is Form.DISCOVERY:
            return web.Response(body=discovered, headers={"Content-Type": accepted.content_type, "Vary": "Accept"})
        return web.Response(body=plain, content_type="application/json", headers={"Vary": "Accept"})

    return handler


def _routes() -> list[Route]:
    documents = {
        "/version": (_version(), None),
        "/api": (_CORE, _aggregate([])),
        "/api/v1": (_resource_list("v1", [_NAMESPACES]), None),
        "/apis": (_GROUPS, _aggregated()),
        f"/apis/{GROUP}": ({"kind": "APIGroup", "apiVersion": "v1", **_group(GROUP, VERSION)}, None),
        f"/apis/{API_VERSION}": (
            _resource_list(API_VERSION, [entry for kind in KINDS for entry in _resources(kind)]),
            None,
        ),
    }
    for group, kinds in REVIEWS.items():
        documents[f"/apis/{group}"] = ({"kind": "APIGroup", "apiVersion": "v1", **_group(group, "v1")}, None)
        documents[f"/apis/{group}/v1"] = (_resource_list(f"{group}/v1", _review_resources(kinds)), None)
    return [
        Route("GET", path, _answer(document, aggregated), needs=Permission.PUBLIC)
        for path, (document, aggregated) in documents.items()
    ]


#: public, as kube-apiserver's are to everybody with ``system:public-info-viewer``: they say nothing of any tenant
ROUTES = _routes()
