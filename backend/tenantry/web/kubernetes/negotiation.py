"""Which representation a client asked for, in Kubernetes' ``Accept`` dialect (``application/json;as=Table;v=v1``)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from tenantry.model.errors import Code, TenantryError


class Form(StrEnum):
    """How objects are rendered."""

    OBJECT = "object"
    TABLE = "Table"
    METADATA = "PartialObjectMetadata"
    METADATA_LIST = "PartialObjectMetadataList"
    DISCOVERY = "APIGroupDiscoveryList"


@dataclass(frozen=True, slots=True)
class Accepted:
    """The representation to answer with, and its media type."""

    form: Form
    content_type: str


_JSON = Accepted(Form.OBJECT, "application/json")
_KNOWN = {
    ("Table", "meta.k8s.io", "v1"): Form.TABLE,
    ("PartialObjectMetadata", "meta.k8s.io", "v1"): Form.METADATA,
    ("PartialObjectMetadataList", "meta.k8s.io", "v1"): Form.METADATA_LIST,
    ("APIGroupDiscoveryList", "apidiscovery.k8s.io", "v2"): Form.DISCOVERY,
}


@lru_cache(maxsize=256)
def negotiate(accept: str, allowed: frozenset[Form] = frozenset({Form.OBJECT})) -> Accepted:
    """The first form of ``accept`` that is among ``allowed``; NOT_ACCEPTABLE when there is none.

    Quality values are ignored, as kube-apiserver's clients order what they send; protobuf and other types are passed
    over, so that a client which also takes JSON gets JSON.
    """
    if not accept.strip():
        return _JSON
    for clause in accept.split(","):
        media, *raw = (part.strip() for part in clause.split(";"))
        parameters = dict(part.partition("=")[::2] for part in raw)
        if media.lower() not in {"application/json", "application/*", "*/*"}:
            continue
        wanted = parameters.get("as")
        if wanted is None:
            if Form.OBJECT in allowed:
                return _JSON
            continue
        form = _KNOWN.get((wanted, parameters.get("g", ""), parameters.get("v", "")))
        if form in allowed and form is not None:
            group, version = parameters["g"], parameters["v"]
            return Accepted(form, f"application/json;g={group};v={version};as={wanted}")
    raise TenantryError(
        Code.NOT_ACCEPTABLE,
        "only the following media types are accepted: application/json",
    )
