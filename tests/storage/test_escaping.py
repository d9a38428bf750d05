"""MySQL and MariaDB are sent values within the text of a statement: each comes back as it was, and ends nothing."""

import random

import pytest

from tenantry.storage.unit import Unit
from tests.cluster.databases import DatabaseServer
from tests.support.databases import emptied, opened

HOSTILE = [
    "", "\0", "a\0b", "'", "''", "\\", "\\'", "\\\\'", '"', "`", "%", "%s", "%%", "%(a)s", "\n\r\x1a", "\x7f",
    "' OR 1=1 -- ", "\0'\\\"%s;-- \N{ROCKET}", "/*!50000 x*/", "\u0131'", "\ufffd\ufffe\uffff", "\U0010ffff",
]  # fmt: skip
LETTERS = "\0'\\\"%;\n\r\x1aZs0\N{ROCKET}\u00e9"


@pytest.mark.parametrize("mode", ["", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES"])
async def test_any_text_is_read_back_as_it_was(database_server: DatabaseServer, mode: str) -> None:
    choose = random.Random(1)  # noqa: S311 - the same each time
    samples = HOSTILE + ["".join(choose.choices(LETTERS, k=choose.randint(1, 40))) for _ in range(500)]

    def read(unit: Unit) -> tuple[list[str], list[str]]:
        unit.database.run(f"SET SESSION sql_mode = 'STRICT_ALL_TABLES,{mode}'")
        alone = [unit.database.run("SELECT %s", (each,)).fetchone()[0] for each in samples]
        together = unit.database.run_all([("SELECT %s", (each,)) for each in samples])
        return alone, [result.fetchone()[0] for result in together]

    async with opened(await emptied(database_server), threads=1) as database:
        assert await database.run(read) == (samples, samples)


@pytest.mark.parametrize("text", ["\udc27", "\udcbf'", "\udc80' OR 1=1 -- "])
async def test_what_is_no_text_is_not_sent(database_server: DatabaseServer, text: str) -> None:
    def send(unit: Unit) -> None:
        unit.database.run("SELECT %s", (text,))

    async with opened(await emptied(database_server), threads=1) as database:
        with pytest.raises(UnicodeEncodeError):
            await database.run(send)
