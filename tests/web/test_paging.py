"""Kubernetes lists in pages, while the change log is compacted between two of them."""

from typing import Any

import pytest

from tenantry.model import ids
from tenantry.storage import changes
from tests.support.application import KUBERNETES, Answer, Application

PLANS = f"{KUBERNETES}/plans"


async def fill(api: Application, names: str) -> None:
    for name in names:
        await api.create("plans", name, {"displayName": name})


async def compact(api: Application) -> None:
    """Remove the whole change log."""
    while await api.server.services.db.run(changes.compact, ids.now_micros(), 0, write=True):
        pass


def names(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    return [item["metadata"]["name"] for item in answer.body["items"]]


def check_expired(answer: Answer) -> str:
    """A Status as kube-apiserver's `handleCompactedErrorForPaging` makes it; returns its token."""
    status: dict[str, Any] = answer.body
    assert (answer.status, status["code"], status["reason"]) == (410, 410, "Expired")
    assert status["message"].startswith(
        "The provided continue parameter is too old to display a consistent list result. You can start a new list "
    )
    return str(status["metadata"]["continue"])


async def test_a_token_from_before_the_log_has_expired(stored_v1: Application) -> None:
    await fill(stored_v1, "abcde")
    first = await stored_v1.get(f"{PLANS}?limit=2")
    token, version = first.body["metadata"]["continue"], first.body["metadata"]["resourceVersion"]
    assert names(first) == ["a", "b"]
    await compact(stored_v1)
    second = await stored_v1.get(f"{PLANS}?limit=1&continue={token}")
    assert names(second) == ["c"]  # nothing has changed that the log does not tell
    assert second.body["metadata"]["resourceVersion"] == version
    token = second.body["metadata"]["continue"]
    await stored_v1.delete("plans/a")
    await compact(stored_v1)
    late = check_expired(await stored_v1.get(f"{PLANS}?limit=1&continue={token}"))
    rest = await stored_v1.get(f"{PLANS}?limit=1&continue={late}")
    assert names(rest) == ["d"]
    assert int(rest.body["metadata"]["resourceVersion"]) > int(version)
    last = await stored_v1.get(f"{PLANS}?limit=1&continue={rest.body['metadata']['continue']}")
    assert names(last) == ["e"]
    assert last.body["metadata"]["resourceVersion"] == rest.body["metadata"]["resourceVersion"]
    assert "continue" not in last.body["metadata"]


@pytest.mark.parametrize("accept", ["application/json", "application/json;as=Table;g=meta.k8s.io;v=v1"])
async def test_an_expired_token_is_told_in_every_form(v1: Application, accept: str) -> None:
    await fill(v1, "abc")
    first = await v1.get(f"{PLANS}?limit=1", accept=accept)
    await fill(v1, "d")
    await compact(v1)
    check_expired(await v1.get(f"{PLANS}?limit=1&continue={first.body['metadata']['continue']}", accept=accept))


async def test_nothing_is_deleted_from_an_expired_token_on(v1: Application) -> None:
    await fill(v1, "abc")
    first = await v1.get(f"{PLANS}?limit=1")
    await fill(v1, "d")
    await compact(v1)
    late = check_expired(await v1.call("DELETE", f"{PLANS}?continue={first.body['metadata']['continue']}"))
    assert names(await v1.get(PLANS)) == ["a", "b", "c", "d"]
    assert names(await v1.call("DELETE", f"{PLANS}?continue={late}")) == ["b", "c", "d"]
    assert names(await v1.get(PLANS)) == ["a"]
