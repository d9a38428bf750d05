"""What others do to an object while we write to it: the answer tells, and the event that follows is no news."""

from typing import Any, cast

import pytest

from tenantry.model.errors import Code, TenantryError
from tenantry_operator import finalizer, reporting
from tenantry_operator.cache import Cache
from tenantry_operator.errors import Again, ConflictError
from tenantry_operator.events import Recorder
from tenantry_operator.kube import Kube
from tenantry_operator.ledger import Ledger
from tenantry_operator.objects import Object, tenant_key
from tenantry_operator.wiring import Services

KEY = tenant_key("acme")
APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
BEFORE = {"name": "acme", "uid": "u", "generation": 1, "resourceVersion": "1", "annotations": {APPLIED: "{}"}}
THEIRS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "kubectl's own": {"annotations": {APPLIED: "{1}"}},
    "an edit": {"generation": 2},
    "a deletion": {"generation": 2, "deletionTimestamp": "2026-01-01T00:00:00Z"},
    "an annotation": {"annotations": {APPLIED: "{}", "tenantry.dev/force-finalize": "1"}},
    "a label": {"labels": {"ring": "internal"}},
}
QUIET = ("nothing", "kubectl's own")


class Cluster:
    """The two writes of the client, each answered with what others have made of the object by then."""

    def __init__(self, theirs: dict[str, Any]) -> None:
        self.metadata = BEFORE | theirs | {"resourceVersion": "3"}

    async def apply(self, _: Any, document: dict[str, Any]) -> dict[str, Any]:
        """The object with the finalizers of ``document``."""
        return {"metadata": self.metadata | {"finalizers": document["metadata"]["finalizers"]}, "spec": {}}

    async def apply_status(self, _: Any, document: dict[str, Any]) -> dict[str, Any]:
        """The object with the status of ``document``."""
        return {"metadata": self.metadata, "spec": {}, "status": document["status"]}


class Away:
    """An API that has no record of the object."""

    async def report(self, *_: Any) -> None:
        """Refused for good."""
        raise TenantryError(Code.MANAGED_ELSEWHERE, "no")


def services(theirs: str) -> tuple[Services, Object]:
    """The parts, and the object as it was read before the others came."""
    kube, cache = cast("Kube", Cluster(THEIRS[theirs])), Cache()
    cache.put_own(KEY, {"metadata": BEFORE, "spec": {}})
    found = cache.read(KEY)
    assert found
    parts = Services(kube=kube, cache=cache, ledger=cast("Ledger", Away()), events=Recorder(kube, "p"), namespace="n")
    return parts, found


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("theirs", THEIRS)
async def test_while_the_status_is_written_it_is_looked_at_again(theirs: str, *, recorded: bool) -> None:
    parts, tenant = services(theirs)
    again = await reporting.write(parts, tenant, {"tenantID": "1"}, recorded=recorded)
    assert again is (Again.NEVER if theirs in QUIET else Again.SOON)


@pytest.mark.parametrize("theirs", THEIRS)
async def test_while_it_gets_its_finalizer_it_is_looked_at_again(theirs: str) -> None:
    parts, tenant = services(theirs)
    if theirs in QUIET:
        await finalizer.keep(parts, tenant)
    else:
        with pytest.raises(ConflictError):
            await finalizer.keep(parts, tenant)
