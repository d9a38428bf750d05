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


def test_labels_alone_make_no_namespace_a_home(site: Site) -> None:
    site.apply(tenant("victim"))
    site.wait("tenant/victim", "--for=condition=Ready")
    tenant_id = (site.get("tenants", "victim") or {})["status"]["tenantID"]
    labels = {"tenantry.dev/tenant": "victim", "tenantry.dev/tenant-id": tenant_id}
    for name in ("intruder", "victim-not-theirs"):
        site.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        site.apply(config("forged", {"tenant": {"ref": "victim"}}, name, configSet="forged", values={"a": 1}))
    for name in ("intruder", "victim-not-theirs"):
        shown = site.until("configs", "forged", "Ready", "False", "ScopeNotAllowed", name)
        assert "a namespace of victim or in tenantry-system" in shown["message"]
        assert record(site, "forged", name) is None
    site.patch("tenants", "victim", {"spec": {"namespaces": [{"name": "prod"}, {"name": "late"}]}})
    eventually(lambda: site.get("namespaces", "victim-late"), "a namespace of its own")
    site.apply(config("early", {"tenant": {"ref": "victim"}}, "victim-late", configSet="early", values={"a": 1}))
    site.until("configs", "early", "Ready", "True", namespace="victim-late")


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
    orphan = record(site, "theme", "leaver-prod")
    assert orphan
    assert "Orphaned" in [each["type"] for each in orphan["status"]["conditions"]]
    site.until("tenants", "leaver", "Ready", "True")
    layer = config("theme", {"tenant": {"ref": "leaver"}}, "leaver-prod", configSet="theme", values={"a": 1})
    site.apply(layer)
    site.until("configs", "theme", "Ready", "True", namespace="leaver-prod")
    eventually(lambda: (record(site, "theme", "leaver-prod") or {}).get("status") == status(site), "it is back")


def status(site: Site) -> Document:
    """The status of the layer that was orphaned."""
    return dict((site.get("configs", "theme", "leaver-prod") or {}).get("status", {}))


def test_another_of_the_tenants_takes_the_layer_of_one_that_went_with_its_namespace(site: Site) -> None:
    site.apply(tenant("heirs", namespaces=[{"name": "a"}, {"name": "b"}], deletionPolicy="Delete"))
    site.wait("tenant/heirs", "--for=condition=Ready")
    scope = {"tenant": {"ref": "heirs"}}
    site.apply(config("first", scope, "heirs-a", configSet="heirs"))
    site.until("configs", "first", "Ready", "True", namespace="heirs-a")
    site.apply(config("second", scope, "heirs-b", configSet="heirs"))
    site.until("configs", "second", "Ready", "False", "LayerConflict", namespace="heirs-b")
    site.delete("namespaces", "heirs-a")
    eventually(lambda: record(site, "first", "heirs-a") is None, "the orphan has made room")
    site.patch("configs", "second", {"metadata": {"annotations": {"look": "again"}}}, "heirs-b")
    site.until("configs", "second", "Ready", "True", namespace="heirs-b")


def test_a_tenants_layers_go_with_it_and_do_not_block_its_return(site: Site) -> None:
    site.apply(tenant("phoenix", deletionPolicy="Delete"))
    site.wait("tenant/phoenix", "--for=condition=Ready")
    scope = {"tenant": {"ref": "phoenix"}}
    site.apply(config("old", scope, "phoenix-prod", configSet="phoenix"))
    site.until("configs", "old", "Ready", "True", namespace="phoenix-prod")
    site.delete("tenants", "phoenix")
    site.until_gone("tenants", "phoenix")
    eventually(lambda: record(site, "old", "phoenix-prod") is None, "the layer is withdrawn")
    site.apply(tenant("phoenix", deletionPolicy="Delete"))
    site.wait("tenant/phoenix", "--for=condition=Ready")
    site.apply(config("new", scope, "phoenix-prod", configSet="phoenix"))
    site.until("configs", "new", "Ready", "True", namespace="phoenix-prod")
