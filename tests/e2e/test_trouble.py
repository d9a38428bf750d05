"""What keeps the API of a release from starting: it waits or ends, and the last line of its log says why."""

import json
from collections.abc import Iterator

import pytest

from tests.chart.helm import CHART, NAMESPACE
from tests.cluster.node import Node
from tests.support.installation import SECONDS, VALUES, Document, Installation, settings
from tests.support.operator import eventually

pytestmark = [pytest.mark.node, pytest.mark.image, pytest.mark.timeout(600)]

SECRET = "database.existingSecret=tenantry-database"
NOWHERE = "database.url=mysql://tenantry@nowhere.databases:3306/tenantry"
#: and then what the resolver says, which is another thing where there is a way out of the node
UNREACHED = "the database at nowhere.databases:3306 cannot be reached: "
#: what is wrong -> values of the chart, and what the migration says while it waits
WAITING = {
    "no such server": ((NOWHERE, SECRET), UNREACHED),
    "a wrong password": (
        (VALUES[0], "database.existingSecret=wrong"),
        "the database at mysql.databases:3306 refuses our user or its password (error 1045): see TENANTRY_DATABASE_URL",
    ),
    "no access to the database": (
        ("database.url=mysql://tenantry@mysql.databases:3306/closed", SECRET),
        "the database at mysql.databases:3306 keeps our user out of 'closed' (error 1044): GRANT ALL ON `closed`.*",
    ),
}


@pytest.fixture(scope="module")
def prepared(furnished: Node) -> Iterator[Installation]:
    """What a release needs, with one Secret that is wrong."""
    found = Installation(furnished)
    found.prepare()
    found.kubectl("create", "secret", "generic", "wrong", "--from-literal=password=wrong")
    yield found
    found.kubectl("delete", "namespace", NAMESPACE, "databases")


@pytest.fixture
def release(prepared: Installation) -> Iterator[Installation]:
    """The same, and no release in the end."""
    yield prepared
    stop(prepared)


def start(release: Installation, *values: str) -> None:
    """Install the API alone, and don't wait for it."""
    release.helm("install", CHART, *settings(*values, "operator.enabled=false", "crds.enabled=false"))


def stop(release: Installation) -> None:
    """Uninstall it, and wait until its pod has drained."""
    release.helm("uninstall", "--wait")
    eventually(lambda: not release.pods("api"), "there is no pod", SECONDS)


def pod(release: Installation) -> Document:
    """The API's pod."""
    name = eventually(lambda: release.pods("api"), "there is a pod")[0]
    return release.get("pod", name)


def migration(release: Installation) -> Document:
    """The state of its init container."""
    found: Document = (pod(release)["status"].get("initContainerStatuses") or [{"state": {}}])[0]
    return found


def last_line(release: Installation, *options: str) -> str:
    """The last line of the migration's log."""
    logs = ("logs", f"--namespace={NAMESPACE}", pod(release)["metadata"]["name"], "--container=migrate")
    said = release.node.kubectl(*logs, *options, check=False).stdout
    return (said.splitlines() or [""])[-1]


@pytest.mark.parametrize("wrong", WAITING)
def test_the_migration_waits_and_says_for_what(release: Installation, wrong: str) -> None:
    values, said = WAITING[wrong]
    start(release, *values)
    line = eventually(lambda: last_line(release), "it says something", SECONDS)
    assert json.loads(line)["message"].startswith(f"waiting up to 120 s for the database: {said}")
    assert "running" in migration(release)["state"]
    assert migration(release)["restartCount"] == 0


def test_a_missing_secret_is_an_event_and_goes_on_when_it_is_there(release: Installation) -> None:
    start(release, VALUES[0], "database.existingSecret=late")

    def told() -> bool:
        events = release.get("events", f"--field-selector=involvedObject.name={pod(release)['metadata']['name']}")
        return any('secret "late" not found' in event["message"] for event in events["items"])

    eventually(told, "an event names it", SECONDS)
    release.kubectl("create", "secret", "generic", "late", "--from-literal=password=right")
    release.kubectl("rollout", "status", "deployment/tenantry-api", f"--timeout={SECONDS}s")


def test_a_schema_that_is_too_new_ends_the_migration(release: Installation) -> None:
    start(release, *VALUES)
    release.kubectl("rollout", "status", "deployment/tenantry-api", f"--timeout={SECONDS}s")
    stop(release)
    sql(release, "INSERT INTO schema_migration (name, applied) VALUES ('9901_later', NOW())")
    try:
        start(release, *VALUES)
        ended = eventually(
            lambda: (migration(release).get("lastState") or {}).get("terminated"), "it has ended", SECONDS
        )
        assert ended["exitCode"] == 69
        said = last_line(release, "--previous")
        assert said.startswith("tenantry: the database is too new: its schema is at 9901 and this release works with ")
    finally:
        sql(release, "DELETE FROM schema_migration WHERE name = '9901_later'")


def test_without_a_migration_the_pod_waits_and_its_readiness_says_for_what(release: Installation) -> None:
    start(release, NOWHERE, SECRET, "migrations.mode=none")
    name = pod(release)["metadata"]["name"]

    def told() -> bool:
        events = release.get("events", f"--field-selector=involvedObject.name={name},reason=Unhealthy")
        return any("Readiness probe failed" in event["message"] for event in events["items"])

    eventually(told, "an event tells that it is not ready", SECONDS)
    (status,) = pod(release)["status"]["containerStatuses"]
    assert (status["started"], status["ready"], status["restartCount"]) == (True, False, 0)
    readiness = f"/api/v1/namespaces/{NAMESPACE}/pods/{name}:9090/proxy/readyz"
    answer = release.node.kubectl("get", "--raw", readiness, check=False)
    assert answer.returncode != 0
    log = release.kubectl("logs", name).splitlines()[-1]
    assert f"waiting for the database: {UNREACHED}" in log


def sql(release: Installation, statement: str) -> None:
    """Run a statement in the database."""
    login = ("mysql", "--user=tenantry", "--password=right", "--host=127.0.0.1", "tenantry")
    release.node.kubectl("exec", "--namespace=databases", "deployment/mysql", "--", *login, "--execute", statement)
