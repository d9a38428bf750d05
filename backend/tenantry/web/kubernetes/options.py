"""Query parameters of the resource API: the options of writes, deletes, lists and watches.

What cannot be converted is a bad request, what has no meaning is invalid, with kube-apiserver's words (apimachinery
``pkg/apis/meta/v1/validation`` and ``pkg/apis/meta/internalversion/validation``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tenantry.model import fielderrors, selectors
from tenantry.model.errors import Code, FieldError, TenantryError
from tenantry.model.kinds import Kind
from tenantry.model.managedfields.managers import check_name, default_name
from tenantry.model.selectors import Selector
from tenantry.services.resources.crud import Options, Preconditions
from tenantry.web.query import Parameters, flag, number

VALIDATIONS = ("Ignore", "Strict", "Warn")
PROPAGATIONS = ("Foreground", "Background", "Orphan")
EXACT, NOT_OLDER_THAN = "Exact", "NotOlderThan"


# -- writes -----------------------------------------------------------------------------------------------------------


def read_write(request: web.Request, kind: str, *, applies: bool = False) -> Options:
    """The options of a create, update or patch; ``kind`` is what Kubernetes calls them."""
    parameters = request.query
    manager, force = parameters.get("fieldManager", ""), flag(parameters, "force")
    validation, dry_run = parameters.get("fieldValidation", ""), parameters.getall("dryRun", [])
    errors = []
    if applies and not manager:
        errors.append(fielderrors.required("fieldManager", "is required for apply patch"))
    if force is not None and kind == "PatchOptions" and not applies:
        errors.append(fielderrors.forbidden("force", "may not be specified for non-apply patch"))
    errors += check_name(manager) + _check_dry_run(dry_run)
    if validation and validation not in VALIDATIONS:
        errors.append(fielderrors.not_supported("fieldValidation", validation, ("", *VALIDATIONS)))
    refuse(kind, errors)
    return Options(
        manager=manager or default_name(request.headers.get("User-Agent", "")),
        force=bool(force),
        dry_run=any(dry_run),
        validation=validation or "Warn",
    )


@dataclass(frozen=True, slots=True)
class Deletion:
    """How something is to be deleted."""

    options: Options
    preconditions: Preconditions


def read_deletion(request: web.Request, body: Any) -> Deletion:
    """The options of a delete, from the body where there is one and else from the query, as kube-apiserver reads them.

    Nothing depends on our objects but what goes with them anyway, so ``propagationPolicy`` is checked and that is all.
    """
    sent = _options_in(body) if body is not None else _deletion_in(request)
    policy, dry_run = sent.get("propagationPolicy"), sent.get("dryRun") or []
    errors = []
    if sent.get("orphanDependents") is not None and policy is not None:
        detail = "orphanDependents and deletionPropagation cannot be both set"
        errors.append(fielderrors.invalid("propagationPolicy", policy, detail))
    if policy is not None and policy not in PROPAGATIONS:
        errors.append(fielderrors.not_supported("propagationPolicy", policy, (*PROPAGATIONS, "nil")))
    refuse("DeleteOptions", errors + _check_dry_run(dry_run))
    required = sent.get("preconditions") or {}
    return Deletion(
        Options(dry_run=any(dry_run)),
        Preconditions(uid=required.get("uid"), resource_version=required.get("resourceVersion")),
    )


def _deletion_in(request: web.Request) -> dict[str, Any]:
    number(request.query, "gracePeriodSeconds")
    policy = request.query.get("propagationPolicy")
    return {
        "propagationPolicy": policy,
        "orphanDependents": flag(request.query, "orphanDependents"),
        "dryRun": request.query.getall("dryRun", []),
    }


_OPTIONS_TYPES: dict[str, type | tuple[type, ...]] = {
    "propagationPolicy": str,
    "orphanDependents": bool,
    "gracePeriodSeconds": int,
    "dryRun": list,
    "preconditions": dict,
}


def _options_in(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict) or body.get("kind", "DeleteOptions") != "DeleteOptions":
        raise TenantryError(Code.BAD_REQUEST, "the body of a delete must be DeleteOptions, or nothing")
    parts = [(name, body.get(name), wanted) for name, wanted in _OPTIONS_TYPES.items()]
    required = body.get("preconditions")
    if isinstance(required, dict):
        parts += [(f"preconditions.{name}", required.get(name), str) for name in ("uid", "resourceVersion")]
    if isinstance(dry_run := body.get("dryRun"), list):
        parts += [("dryRun", value, str) for value in dry_run]
    for name, value, wanted in parts:
        if value is not None and not isinstance(value, wanted):
            raise TenantryError(Code.BAD_REQUEST, f"DeleteOptions: {name} is of the wrong type")
    return body


def _check_dry_run(values: Sequence[Any]) -> list[FieldError]:
    if all(value in {"", "All"} for value in values):
        return []
    return [fielderrors.not_supported("dryRun", list(values), ("All",))]


# -- lists and watches ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a list or a watch asks for."""

    labels: Selector
    fields: Selector
    version: str  # as it was sent: nothing and 0 are not the same
    seq: int  # the same as a number
    match: str
    limit: int  # 0: all
    token: str
    initial: bool | None  # sendInitialEvents
    timeout: float | None  # seconds


def read_listing(kind: Kind, parameters: Parameters, *, watch: bool) -> Listing:
    """The options of a list, or of a watch."""
    initial, match = flag(parameters, "sendInitialEvents"), parameters.get("resourceVersionMatch", "")
    version, token = parameters.get("resourceVersion", ""), parameters.get("continue", "")
    limit, seconds = number(parameters, "limit"), number(parameters, "timeoutSeconds")
    check = _check_watch if watch else _check_list
    refuse("ListOptions", check(match, version, token, initial))
    return Listing(
        labels=selectors.parse_labels(parameters.get("labelSelector", "")),
        fields=selectors.parse_fields(parameters.get("fieldSelector", ""), namespaced=kind.namespaced),
        version=version,
        seq=read_version(parameters),
        match=match,
        limit=max(limit or 0, 0),
        token=token,
        initial=initial,
        timeout=seconds or None,
    )


_MATCH = "resourceVersionMatch"


def _check_list(match: str, version: str, token: str, initial: bool | None) -> list[FieldError]:  # noqa: FBT001 - private
    errors = []
    if match and not version:
        errors.append(fielderrors.forbidden(_MATCH, f"{_MATCH} is forbidden unless resourceVersion is provided"))
    if match and token:
        errors.append(fielderrors.forbidden(_MATCH, f"{_MATCH} is forbidden when continue is provided"))
    if match and match not in {EXACT, NOT_OLDER_THAN}:
        errors.append(fielderrors.not_supported(_MATCH, match, (EXACT, NOT_OLDER_THAN, "")))
    if match == EXACT and version == "0":
        errors.append(fielderrors.forbidden(_MATCH, f'{_MATCH} "exact" is forbidden for resourceVersion "0"'))
    if initial is not None:
        errors.append(fielderrors.forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    return errors


def _check_watch(match: str, version: str, token: str, initial: bool | None) -> list[FieldError]:  # noqa: FBT001 - private
    del version
    errors = []
    if match and initial is None:
        detail = f"{_MATCH} is forbidden for watch unless sendInitialEvents is provided"
        errors.append(fielderrors.forbidden(_MATCH, detail))
    if initial is not None and match != NOT_OLDER_THAN:
        detail = f"sendInitialEvents requires setting {_MATCH} to {NOT_OLDER_THAN}"
        errors.append(fielderrors.forbidden(_MATCH, detail))
    if match and match != NOT_OLDER_THAN:
        errors.append(fielderrors.not_supported(_MATCH, match, (NOT_OLDER_THAN,)))
    if match and token:
        errors.append(fielderrors.forbidden(_MATCH, f"{_MATCH} is forbidden when continue is provided"))
    return errors


# -- values -----------------------------------------------------------------------------------------------------------


def read_version(parameters: Parameters) -> int:
    """The ``resourceVersion`` as a number; 0 when there is none."""
    version = parameters.get("resourceVersion", "")
    if not version:
        return 0
    if not (version.isascii() and version.isdigit() and len(version) <= 18):  # noqa: PLR2004 - below 2^63
        error = fielderrors.invalid("resourceVersion", version, "it must be a number that this server gave")
        raise TenantryError(Code.BAD_REQUEST, f"invalid resource version: {error.path}: {error.message}")
    return int(version)


def refuse(kind: str, errors: list[FieldError]) -> None:
    """Raise INVALID with ``errors`` in options of ``kind``, if there are any."""
    if errors:
        raise TenantryError(Code.INVALID, "the options are wrong; see errors", errors, kind=kind)
