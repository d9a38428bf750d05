"""Lists: what SQL selects is what the model's selectors match, page by page in order, and by index."""

import random
from functools import partial
from pathlib import Path

import pytest

from tenantry.model.resource import Resource
from tenantry.model.selectors import Operator, Requirement, Selector, parse_fields, parse_labels
from tenantry.storage import resources, selection
from tenantry.storage.db import Database
from tenantry.storage.statement import Statement
from tenantry.storage.unit import Unit
from tests.storage.samples import create, tenant
from tests.support.databases import opened

LABELS = [
    "",
    "ring=a",
    "ring==b,size",
    "ring!=a",
    "ring in (a,c)",
    "ring in (a),size in (1,5,x)",
    "ring notin (a,b)",
    "size",
    "!size",
    "ring=a,!size",
    "ring=a,size!=1",
    "example.com/team=x",
    "size>3",
    "size>3,ring!=a",
    "size<10,size>1",
    "ring=,size",
    "absent=1",
    "ring=a,ring=b",
    "ring,ring!=b,size notin (1)",
]
FIELDS = ["", "metadata.name=t-07", "metadata.name!=t-07", "metadata.namespace=eu", "metadata.namespace!=eu"]


def stock() -> list[Resource]:
    """Configs in three namespaces, with labels of every kind or none."""
    chance = random.Random(7)  # noqa: S311 - no secret
    items = []
    for number in range(90):
        labels = {
            "ring": chance.choice(["a", "b", "c", ""]),
            "size": chance.choice(["1", "5", "10", "x"]),
            "example.com/team": chance.choice(["x", "y"]),
        }
        kept = {key: value for key, value in labels.items() if chance.random() < 0.6}
        namespace = chance.choice(["eu", "eu1.eu", "us"])
        items.append(tenant(f"t-{number:02}", kept, kind="Config", namespace=namespace))
    return items


def pages(unit: Unit, limit: int, namespace: str | None, labels: Selector, fields: Selector) -> list[list[Resource]]:
    """The whole list, in pages."""
    found: list[list[Resource]] = []
    after = None
    while True:
        page = resources.page(
            unit, "Config", namespace=namespace, labels=labels, fields=fields, after=after, limit=limit
        )
        found.append(page)
        if len(page) < limit:
            return found
        after = page[-1].namespace, page[-1].name


@pytest.mark.slow
async def test_sql_selects_what_the_model_matches(database: Database) -> None:
    stored = await database.run(create, *[*stock(), tenant("t-00", {"ring": "a", "size": "1"})], write=True)
    configs = sorted((item for item in stored if item.kind == "Config"), key=lambda item: (item.namespace, item.name))
    for text in LABELS:
        for field_text in FIELDS:
            labels, fields = parse_labels(text), parse_fields(field_text, namespaced=True)
            matching = [
                item
                for item in configs
                if labels.matches(item.labels())
                and fields.matches({"metadata.name": item.name, "metadata.namespace": item.namespace})
            ]
            for namespace in (None, "eu1.eu"):
                expected = [item for item in matching if namespace in (None, item.namespace)]
                found = await database.run(partial(pages, limit=4, namespace=namespace, labels=labels, fields=fields))
                assert [item for page in found for item in page] == expected, (text, field_text, namespace)
                assert all(len(page) == 4 for page in found[:-1])


@pytest.mark.slow
async def test_a_long_selector_selects_the_same(database: Database) -> None:
    stored = await database.run(create, *[*stock(), *(tenant(f"x-{n}", kind="Config") for n in range(3))], write=True)
    configs = sorted(stored, key=lambda item: (item.namespace, item.name))
    numbers = ",".join(str(number) for number in range(2, 500))
    for text, field_text in (
        (",".join(f"a{number}" for number in range(900)), ""),
        (",".join(f"!a{number}" for number in range(900)), ""),
        (",".join(f"a{number}!=x" for number in range(900)) + ",ring=a,size", ""),
        (f"size in ({numbers}),ring", ""),
        (f"size notin ({numbers}),ring,size>3", ""),
        (f"ring,size,size notin ({numbers})", ""),
        ("", ",".join(f"metadata.name!=t-{number}" for number in range(10, 900))),
        ("ring", ",".join(["metadata.name!=t-00"] * 900) + ",metadata.namespace=eu"),
    ):
        labels, fields = parse_labels(text), parse_fields(field_text, namespaced=True)
        expected = [
            item
            for item in configs
            if labels.matches(item.labels())
            and fields.matches({"metadata.name": item.name, "metadata.namespace": item.namespace})
        ]
        found = await database.run(partial(pages, limit=4, namespace=None, labels=labels, fields=fields))
        assert [item for page in found for item in page] == expected, (text, field_text)


@pytest.mark.slow
async def test_what_few_match_is_found_however_many_there_are(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "_CANDIDATES", 1)
    rest = [tenant(f"t-{number:04}", {"size": "1"}) for number in range(1100)]
    await database.run(create, tenant("z", {"size": "9"}), *rest, write=True)
    found = await database.run(
        lambda unit: resources.page(unit, "Tenant", labels=parse_labels("size>5"), limit=1), timeout=60
    )
    assert [item.name for item in found] == ["z"]


async def test_names_can_be_a_list(database: Database) -> None:
    await database.run(create, *(tenant(f"t-{n}") for n in range(5)), write=True)
    fields = Selector((Requirement("metadata.name", Operator.IN, ("t-1", "t-3", "t-9")),))
    found = await database.run(lambda unit: resources.page(unit, "Tenant", fields=fields, limit=10))
    assert [item.name for item in found] == ["t-1", "t-3"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "bound", "by", "sorts"),
    [
        ("", "all", "resource_kind_namespace_name (kind=?)", False),
        ("", "within", "resource_kind_namespace_name (kind=? AND namespace=? AND name>?)", False),
        ("", "beyond", "resource_kind_namespace_name (kind=? AND namespace>?)", False),
        ("ring=a", "all", "PRIMARY KEY (kind=? AND key=? AND value=?)", False),
        ("ring=a", "within", "PRIMARY KEY (kind=? AND key=? AND value=? AND namespace=? AND name>?)", False),
        ("size,ring=a,!b", "all", "PRIMARY KEY (kind=? AND key=? AND value=?)", False),
        ("ring in (a,b)", "all", "PRIMARY KEY (kind=? AND key=? AND value=?)", True),
        ("ring", "all", "PRIMARY KEY (kind=? AND key=?)", True),
        ("ring!=a", "all", "resource_kind_namespace_name (kind=?)", False),
    ],
)
async def test_sqlite_reads_by_index(
    tmp_path: Path, text: str, bound: selection.Bound, by: str, *, sorts: bool
) -> None:
    def explain(unit: Unit) -> list[str]:
        columns = tuple(resources._rows.columns)
        statement = Statement(selection.select(columns, bound, parse_labels(text), Selector()))
        values = {"kind": "Tenant", "namespace": "", "after": "", "limit": 10}
        sql, parameters = statement.bind(unit.database, values)
        return [row[3] for row in unit.database.run(f"EXPLAIN QUERY PLAN {sql}", parameters).fetchall()]

    async with opened(f"sqlite:///{tmp_path}/tenantry.db") as database:
        plan = await database.run(explain)
    searches = [line for line in plan if line.startswith("SEARCH")]
    assert searches[0].endswith(by), plan
    assert not [line for line in plan if line.startswith("SCAN") and "keys" not in line], plan
    selecting = plan[: plan.index("SCAN keys")] if "SCAN keys" in plan else plan  # then the rows of the page
    assert any("TEMP B-TREE" in line for line in selecting) is sorts, plan
