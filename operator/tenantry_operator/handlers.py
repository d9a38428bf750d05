"""All that kopf calls: the table of contents of the operator. A handler notes what it saw, and decides nothing."""

from __future__ import annotations

from typing import Any

import kopf

from tenantry.model.resource import GROUP, VERSION
from tenantry_operator import startup
from tenantry_operator.controller import Controller

#: what the decorators below fill
REGISTRY = kopf.get_default_registry()


@kopf.on.startup()
async def set_up(settings: kopf.OperatorSettings, **_: Any) -> None:
    """Before anything is watched."""
    startup.quieten()
    startup.configure(settings)


@kopf.on.login()
async def log_in(memo: Controller, **_: Any) -> kopf.AiohttpSession:
    """At the start, and when kube-apiserver has refused the session."""
    kube = memo.services.kube
    return kopf.AiohttpSession(server=kube.server, aiohttp_session=kube.session)


@kopf.on.cleanup()
async def clean_up(memo: Controller, **_: Any) -> None:
    """When nothing is watched any more."""
    await memo.stop()


@kopf.on.event(GROUP, VERSION, "plans")
@kopf.on.event(GROUP, VERSION, "tenants")
@kopf.on.event(GROUP, VERSION, "configs")
async def see_own(event: kopf.RawEvent, memo: Controller, **_: Any) -> None:
    """A Plan, Tenant or Config came, changed or went."""
    memo.see_own(event["type"], dict(event["object"]))


@kopf.on.event("", "v1", "namespaces")
@kopf.on.event("", "v1", "resourcequotas")
@kopf.on.event("", "v1", "limitranges")
async def see_child(event: kopf.RawEvent, memo: Controller, **_: Any) -> None:
    """What carries a tenant's label came, changed, or went; also when it lost the label."""
    memo.see_child(event["type"], dict(event["object"]))
