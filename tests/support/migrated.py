"""A SQLite file with all tables and no rows, to be copied: making them takes longer than most tests."""

import uuid
from pathlib import Path
from tempfile import TemporaryDirectory

from tenantry.storage import instance
from tenantry.storage.db import Database

#: the content of the file that was made, once one was, and its identity
_made: list[tuple[bytes, bytes]] = []


async def place_database(file: Path) -> None:
    """Put one there, with an identity of its own, unless there is one."""
    if not _made:
        _made.append(await _make())
    _copy(*_made[0], file)


def _copy(content: bytes, identity: bytes, file: Path) -> None:
    if not file.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_bytes(content.replace(identity, str(uuid.uuid4()).encode()))


async def _make() -> tuple[bytes, bytes]:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "tenantry.db"
        database = await Database.open(f"sqlite:///{file}")
        identity = await database.run(instance.read)
        await database.close()
        return file.read_bytes(), identity.encode()
