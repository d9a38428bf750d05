"""`make bench`: every bench on SQLite and on MariaDB, and the write rate on MySQL; `make bench-NAME`: one of them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from tests.bench.cases import BENCHES, prepare
from tests.bench.report import Report
from tests.bench.server import Target, serving
from tests.cluster.cache import UnavailableError
from tests.cluster.databases import DatabaseServer, MariaDB, MySQL97

SERVERS: dict[str, type[DatabaseServer]] = {"mariadb": MariaDB, "mysql97": MySQL97}
#: which benches run where; every write takes the clock's row lock, so durable creates show its rate
BACKENDS: dict[str, Collection[str]] = {
    "sqlite": BENCHES,
    "mariadb": BENCHES.keys() - {"operator", "shipping"},
    "mysql97": ("creates",),
}


@asynccontextmanager
async def _backend(name: str) -> AsyncIterator[Target]:
    if name == "sqlite":
        async with serving(name) as target:
            yield target
        return
    server = SERVERS[name]
    server.prepare()
    with server() as database:
        database.create_database("bench")
        async with serving(name, database.url("bench")) as target:
            yield target


async def main(names: list[str]) -> int:
    """Run the named benches, or all; the exit code says whether every name is known."""
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        print(f"there is no bench {unknown[0]}; there are {', '.join(BENCHES)}", file=sys.stderr)
        return 2
    report = Report()
    for backend, possible in BACKENDS.items():
        chosen = [name for name in names or BENCHES if name in possible]
        if not chosen:
            continue
        try:
            async with _backend(backend) as target:
                await prepare(target)
                for name in chosen:
                    await BENCHES[name](target, report)
        except UnavailableError as reason:
            print(f"{backend}: left out: {reason}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
