"""Values: every one is documented, has a default and a type, and a wrong one is named."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import yaml

from tests.chart.generate import default, described
from tests.chart.helm import CHART, Helm, HelmError

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
SQLITE = ("--set", "sqlite.storage=EmptyDir")
MYSQL = ("--set", "database.existingSecret=db")
#: what a parent chart may give
FOREIGN = {"global", "enabled"}


def leaves(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """Dotted keys of the values that a schema knows and looks no further into by name."""
    for name, part in schema.get("properties", {}).items():
        key = f"{path}{name}"
        if "properties" in part:
            yield from leaves(part, f"{key}.")
        else:
            yield key


def test_every_value_is_documented_and_has_a_default() -> None:
    keys = set(leaves(SCHEMA)) - FOREIGN
    assert {key for key, _ in described()} == keys
    assert [key for key in keys if default(key) is None] == []


def test_the_defaults_fit_the_schema() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    jsonschema.Draft7Validator(SCHEMA).validate(yaml.safe_load((CHART / "values.yaml").read_text()))


def test_nothing_unknown_is_taken_anywhere() -> None:
    def loose(schema: dict[str, Any], path: str) -> Iterator[str]:
        if "properties" in schema and schema.get("additionalProperties") is not False:
            yield path
        for name, part in schema.get("properties", {}).items():
            yield from loose(part, f"{path}.{name}")

    assert list(loose(SCHEMA, "")) == []


#: values, and the key that the message must name, with dots or slashes
WRONG = [
    ("replicas=3", "replicas"),
    ("api.replica=3", "replica"),
    ("api.replicas=two", "api.replicas"),
    ("api.replicas=-1", "api.replicas"),
    ("api.drainSeconds=301", "api.drainSeconds"),
    ("api.resources.request.cpu=1", "request"),
    ("api.extraEnv[0].value=1", "api.extraEnv.0"),
    ("api.extraVolumes=smtp", "api.extraVolumes"),
    ("api.extraVolumes[0].hostPath.path=/", "api.extraVolumes.0"),
    ("api.podLabels.a=1", "api.podLabels.a"),
    (r"operator.podLabels.app\.kubernetes\.io/name=web", "operator.podLabels"),
    ("operator.enabled=yes", "operator.enabled"),
    ("image.digest=latest", "image.digest"),
    ("image.pullPolicy=Sometimes", "image.pullPolicy"),
    ("database.url=mysql://tenantry:secret@db/tenantry", "database.url"),
    ("database.url=postgres://tenantry@db/tenantry", "database.url"),
    ("database.password=secret", "password"),
    ("sqlite.storage=Disk", "sqlite.storage"),
    ("sqlite.size=big", "sqlite.size"),
    ("migrations.mode=job", "migrations.mode"),
    ("externalUrl=http://tenantry.example.com", "externalUrl"),
    ("trustedProxies[0]=everybody", "trustedProxies.0"),
    ("allowedHosts[0]=https://x", "allowedHosts.0"),
    ("logLevel=loud", "logLevel"),
    ("cluster.name=East", "cluster.name"),
    ("cluster.name=api", "cluster.name"),
    ("cluster.tokenReview=yes", "cluster.tokenReview"),
    ("fullnameOverride=1a", "fullnameOverride"),
    ("cluster.subjects.web[0]=platform:read", "web"),
    ("tls.secretName=x", "secretName"),
    ("service.port=0", "service.port"),
    ("service.type=ExternalName", "service.type"),
    ("ingress.host=https://x", "ingress.host"),
    ("ingress.hosts[0]=x", "hosts"),
    ("serviceMonitor.renderMode=Sometimes", "serviceMonitor.renderMode"),
    ("crds.keep=1", "crds.keep"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("value", "key"), WRONG, ids=[value for value, _ in WRONG])
def test_the_schema_refuses(any_helm: Helm, value: str, key: str) -> None:
    with pytest.raises(HelmError) as caught:
        any_helm.template(*SQLITE, "--set", value)
    assert key in str(caught.value).replace("/", ".")


#: options, and what is said
CHECKS = [
    ((), "database: choose one"),
    ((*SQLITE, *MYSQL), "sqlite.storage: leave it empty"),
    (("--set", "database.url=mysql://tenantry@db/tenantry"), "database.existingSecret: name the Secret"),
    ((*SQLITE, "--set", "api.replicas=2"), "api.replicas: SQLite is a file of one pod"),
    ((*SQLITE, "--set", "ingress.enabled=true"), "ingress.host: name the host"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("options", "message"), CHECKS, ids=[message for _, message in CHECKS])
def test_what_does_not_fit_together_is_refused(any_helm: Helm, options: tuple[str, ...], message: str) -> None:
    with pytest.raises(HelmError) as caught:
        any_helm.template(*options)
    assert message in str(caught.value)
