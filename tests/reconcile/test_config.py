"""A Config of a real cluster: published to the API, with what came of it in its status."""

import pytest

from tests.support.operator import CLUSTER, GROUP, NAMESPACE, Document, Site, config, eventually, tenant

pytestmark = pytest.mark.cluster


def record(site: Site, name: str, namespace: str = NAMESPACE) -> Document | None:
    """What the API has of a Config of the cluster."""
    found: Document | None = site.api.admin.get(f"{GROUP}/namespaces/{CLUSTER}.{namespace}/configs/{name}")
    return found


def revision(site: Site, name: str) -> int:
    return int((site.get("configs", name, NAMESPACE) or {})["status"]["revision"])


def test_is_published_with_its_revision_and_checksum(site: Site) -> None:
    site.apply(config("web", {"global": {}}, keys={"seats": {"merge": "min"}}, values={"seats": 5}))
    site.until("configs", "web", "Ready", "True", namespace=NAMESPACE)
    here, there = record(site, "web"), site.get("configs", "web", NAMESPACE)
    assert here
    assert there
    assert here["spec"] == there["spec"]
    eventually(lambda: (record(site, "web") or {}).get("status") == there["status"], "the API was told")
    assert there["status"]["revision"] == there["status"]["stableRevision"] == 1
    assert there["status"]["counts"] == {"values": 1, "flags": 0}
    assert len(there["status"]["checksum"]) >= 64
    before = there["status"]["checksum"]
    site.patch("configs", "web", {"spec": {"values": {"seats": 6}}}, NAMESPACE)
    eventually(lambda: revision(site, "web") == 2, "the second revision is shown")
    assert (site.get("configs", "web", NAMESPACE) or {})["status"]["checksum"] != before
    assert (record(site, "web") or {})["spec"]["values"] == {"seats": 6}


def test_a_bad_one_says_why_and_its_predecessor_stays_published(site: Site) -> None:
    flag = {"type": "string", "variants": {"on": "a"}, "defaultVariant": "on"}
    site.apply(config("flags", {"global": {}}, configSet="bad", flags={"new": flag}))
    site.until("configs", "flags", "Ready", "True", namespace=NAMESPACE)
    site.patch("configs", "flags", {"spec": {"flags": {"new": {"defaultVariant": "none"}}}}, NAMESPACE)
    shown = site.until("configs", "flags", "Ready", "False", namespace=NAMESPACE)
    assert shown["reason"] == "InvalidSpec"
    assert shown["message"] == 'spec.flags.new.defaultVariant: there is no variant "none"'
    assert revision(site, "flags") == 1
    site.patch("configs", "flags", {"spec": {"flags": {"new": {"defaultVariant": "on"}}}}, NAMESPACE)
    site.until("configs", "flags", "Ready", "True", namespace=NAMESPACE)


def test_a_layer_has_one_owner(site: Site) -> None:
    site.apply(config("owner", {"plan": {"ref": "pro"}}, configSet="one"))
    site.until("configs", "owner", "Ready", "True", namespace=NAMESPACE)
    site.apply(config("rival", {"plan": {"ref": "pro"}}, configSet="one"))
    shown = site.until("configs", "rival", "Ready", "False", "LayerConflict", NAMESPACE)
    assert "owner" in shown["message"]
    assert site.condition("configs", "owner", "Ready", NAMESPACE)["status"] == "True"


def test_may_live_with_the_platform_or_with_its_tenant_and_nowhere_else(site: Site) -> None:
    site.apply(tenant("host"))
    site.wait("tenant/host", "--for=condition=Ready")
    site.apply(config("stray", {"global": {}}, "default", configSet="stray"))
    site.until("configs", "stray", "Ready", "False", "ScopeNotAllowed", "default")
    site.apply(config("climber", {"tenant": {"ref": "other"}}, "host-prod", configSet="climb"))
    site.until("configs", "climber", "Ready", "False", "ScopeNotAllowed", "host-prod")
    site.apply(config("own", {"tenant": {"ref": "host"}}, "host-prod", configSet="own", values={"a": 1}))
    site.until("configs", "own", "Ready", "True", namespace="host-prod")
    assert record(site, "own", "host-prod")
    assert record(site, "stray", "default") is None
    assert record(site, "climber", "host-prod") is None


def test_deleting_it_withdraws_the_layer(site: Site) -> None:
    site.apply(config("gone", {"global": {}}, configSet="gone", values={"a": 1}))
    site.until("configs", "gone", "Ready", "True", namespace=NAMESPACE)
    site.delete("configs", "gone", NAMESPACE)
    site.until_gone("configs", "gone", NAMESPACE)
    assert record(site, "gone") is None
    site.apply(config("heir", {"global": {}}, configSet="gone", values={"a": 2}))
    site.until("configs", "heir", "Ready", "True", namespace=NAMESPACE)


def test_one_that_goes_with_its_namespace_keeps_being_served(site: Site) -> None:
    site.apply(tenant("leaver", deletionPolicy="Delete"))
    site.wait("tenant/leaver", "--for=condition=Ready")
    site.apply(config("theme", {"tenant": {"ref": "leaver"}}, "leaver-prod", configSet="theme", values={"a": 1}))
    site.until("configs", "theme", "Ready", "True", namespace="leaver-prod")
    site.delete("namespaces", "leaver-prod")
    site.until_gone("configs", "theme", "leaver-prod")
    assert record(site, "theme", "leaver-prod")
