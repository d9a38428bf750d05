"""Quantities: Kubernetes writes them in its own way and rounds them, and none of that is a difference to repair."""

import re
from itertools import product

import pytest

from tenantry.model import names
from tenantry.model.fields import Limits
from tenantry_operator.cache import content_of
from tenantry_operator.kube import LIMITS, QUOTAS
from tenantry_operator.tenant import limits, quota
from tests.support.operator import GROUP, Site, eventually, plan, tenant

pytestmark = pytest.mark.cluster
FORMS = ["100u", "1n", "1500u", ".5", "5.", "1e-4", "1E-12", "1e3", "0.1m", "1.0000001Ki"]
FORMS += ["12E", "1000E", "9999999Ei", "1e99", f"{10**24}"]  # more than Kubernetes can keep
MANTISSAS = ["0", "00", "1", "5.", ".5", "0.001", "999", "1000", "1024.1", "123456789", "9223372036854775807"]
MANTISSAS += ["9223372036854775808", "1234567890123456789.00000001"]
SUFFIXES = ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]
SUFFIXES += ["e0", "e-2", "E-9", "e-99", "e2", "e+3", "E18", "e99"]


def test_a_second_look_at_any_form_writes_nothing(site: Site) -> None:
    forms = {f"example.com/r{number}": form for number, form in enumerate(FORMS)}
    quota = {"requests.cpu": "1n", "limits.cpu": "1500u", "limits.memory": "1e99", "requests.memory": "9999999Ei"}
    quota |= {f"count/r{number}.example.com": form for number, form in enumerate(FORMS)}
    site.apply(plan("free", quota={"hard": {}}, limits=None))
    limits = {"default": forms | {"cpu": 2}, "defaultRequest": {"cpu": "100u"}}
    site.apply(tenant("exact", "free", quota={"hard": quota}, limits=limits))
    site.until("tenants", "exact", "Ready", "True")
    stored = site.get("limitranges", "tenantry", "exact-prod")
    assert stored
    assert stored["spec"]["limits"][0]["default"]["example.com/r0"] == "1m", "Kubernetes rounds it"
    site.settle()
    before, writes = site.versions(), site.operator.writes()
    site.patch("tenants", "exact", {"metadata": {"annotations": {"look": "again"}}})
    eventually(lambda: site.api.admin.get(f"{GROUP}/tenants/exact")["metadata"].get("annotations"), "it looked again")
    site.operator.catch_up()
    assert site.operator.writes() == writes
    assert [path for path, *_ in site.versions() - before] == [f"{GROUP}/tenants: /exact"]


def test_every_form_is_compared_as_it_is_stored(site: Site) -> None:
    whole = [mantissa + suffix for mantissa, suffix in product(MANTISSAS, SUFFIXES)]
    assert [form for form in whole if len(form) > 32 or not re.fullmatch(names.QUANTITY, form)] == []
    defaults = Limits.model_construct(default={f"example.com/r{number}": form for number, form in enumerate(whole)})
    desired = [(LIMITS, limits.desired("default", {}, defaults))]
    desired += [
        (QUOTAS, quota.desired("default", {}, {"limits.cpu": form, "limits.memory": form}, 70)) for form in whole
    ]
    for resource, wanted in desired:
        assert wanted
        stored = site.kube.do("POST", f"{resource.path('default')}?dryRun=All", wanted)["spec"]
        assert content_of(resource, {}, {}, stored) == content_of(resource, {}, {}, wanted["spec"])
