"""What the operator remembers of the API's answers, and when it asks again."""

import asyncio
from typing import Any, cast

import pytest

from tenantry.client.records import Record, Records
from tenantry.model.errors import Code, TenantryError
from tenantry_operator.instance import Instance
from tenantry_operator.kube import Kube
from tenantry_operator.ledger import Ledger
from tenantry_operator.objects import Object, tenant_key

KEY = tenant_key("acme")


class Answers:
    """The few methods of the client: it counts, answers with the next revision, and can be made to wait."""

    def __init__(self) -> None:
        self.puts = self.reports = 0
        self.instance, self.uid = "one", "u"  # of the database, and of the object that the record is of
        self.deleted: list[str] = []
        self.asked, self.gate = asyncio.Event(), asyncio.Event()
        self.gate.set()

    async def put(self, _: Any, document: dict[str, Any], *, instance: str, replaces: str, tenant: str) -> Record:
        """The next revision, once the gate is open."""
        del tenant
        if instance != self.instance:
            raise TenantryError(Code.WRONG_INSTANCE, "another")
        self.puts += 1
        revision = self.puts
        self.asked.set()
        await self.gate.wait()
        if replaces == self.uid:
            self.uid = document["metadata"]["uid"]
        return Record(uid=self.uid, tenant_id="t", revision=revision, changed=True)

    async def delete(self, *_: Any, uid: str, instance: str, orphan: bool) -> bool:
        """Done, if the record is of that object."""
        del instance, orphan
        if uid != self.uid:
            raise TenantryError(Code.CONFLICT, "another")
        self.deleted.append(uid)
        return True

    async def put_status(self, *_: Any, **__: Any) -> bool:
        """Taken."""
        self.reports += 1
        return True


class Cluster:
    """What is there now under the one name."""

    def __init__(self) -> None:
        self.uid = "u"

    async def get(self, *_: Any) -> dict[str, Any]:
        """The object."""
        return {"metadata": {"uid": self.uid}}


class Memory:
    """What the Lease says."""

    def __init__(self) -> None:
        self.known, self.doubts = "one", 0

    async def get(self) -> str:
        """The instance."""
        return self.known

    def doubt(self) -> None:
        """It was refused."""
        self.doubts += 1


def tenant(generation: int = 1, **metadata: Any) -> Object:
    return Object(KEY, {"metadata": {"name": "acme", "uid": "u", "generation": generation} | metadata, "spec": {}})


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def live() -> Cluster:
    return Cluster()


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def ledger(answers: Answers, memory: Memory, live: Cluster) -> Ledger:
    return Ledger(cast("Records", answers), cast("Instance", memory), cast("Kube", live))


async def test_asks_once_for_what_has_not_changed(ledger: Ledger, answers: Answers) -> None:
    records = await asyncio.gather(*(ledger.sync(tenant()) for _ in range(5)))
    assert {record.revision for record in records} == {1}
    await ledger.sync(tenant(generation=2))
    await ledger.sync(tenant(generation=2, labels={"a": "b"}))
    assert answers.puts == 3


async def test_an_answer_that_was_overtaken_is_not_remembered(ledger: Ledger, answers: Answers) -> None:
    answers.gate.clear()
    asked = asyncio.create_task(ledger.sync(tenant()))
    await answers.asked.wait()
    ledger.expire(KEY)  # as a plan's edit does, while the tenant's answer of before is on its way
    answers.gate.set()
    assert (await asked).revision == 1
    assert ledger.known(KEY) is None
    assert (await ledger.sync(tenant())).revision == 2


async def test_tells_a_status_once(ledger: Ledger, answers: Answers) -> None:
    for status in ({"a": 1}, {"a": 1}, {"a": 2}, {"a": 2}):
        await ledger.report(tenant(), status)
    assert answers.reports == 2


async def test_stops_when_the_api_is_another_one_until_the_memory_is_removed(
    ledger: Ledger, answers: Answers, memory: Memory
) -> None:
    await ledger.sync(tenant())
    answers.instance = "two"
    with pytest.raises(TenantryError) as caught:
        await ledger.sync(tenant(generation=2))
    assert (caught.value.code, memory.doubts, answers.puts) == (Code.WRONG_INSTANCE, 1, 1)
    memory.known = "two"
    assert (await ledger.sync(tenant(generation=2))).revision == 2


async def test_takes_over_the_record_of_an_object_that_is_gone(ledger: Ledger, answers: Answers) -> None:
    answers.uid = "before"
    assert (await ledger.sync(tenant())).uid == "u"
    assert answers.puts == 2


async def test_takes_nothing_over_for_an_object_that_is_gone_itself(
    ledger: Ledger, answers: Answers, live: Cluster
) -> None:
    answers.uid = live.uid = "after"
    for late in (ledger.sync, ledger.withdraw):
        with pytest.raises(TenantryError) as caught:
            await late(tenant())
        assert caught.value.code is Code.CONFLICT
    assert (answers.uid, answers.deleted) == ("after", [])
    assert ledger.known(KEY) is None


async def test_withdraws_what_it_never_recorded_under_its_own_uid(ledger: Ledger, answers: Answers) -> None:
    answers.uid = "before"
    await ledger.withdraw(tenant())
    assert answers.deleted == ["u"]
