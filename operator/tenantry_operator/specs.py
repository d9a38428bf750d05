"""From an object of the cluster to its typed spec. kube-apiserver has checked it, against the CRD that it has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from tenantry.model.fields import Model

M = TypeVar("M", bound=Model)
_SHOWN = 3


class SpecError(Exception):
    """The spec is none that this operator knows: the CRD in the cluster is of another version. Its text says where."""


def read_spec(model: type[M], document: Mapping[str, Any]) -> M:
    """The typed spec of ``document``."""
    try:
        return model.model_validate(document["spec"])
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)[:_SHOWN]
        where = (".".join(map(str, ("spec", *each["loc"]))) + f": {each['msg']}" for each in found)
        raise SpecError("; ".join(where)) from None
