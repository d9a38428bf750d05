"""Commands that run with this machine's settings: the server itself, and what works on its database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import wraps
from pathlib import Path
from typing import Any

from tenantry import eventloop, logs
from tenantry.addresses import read_database_url
from tenantry.cli.exits import exit_of, fail
from tenantry.datadir import DataDirectoryError
from tenantry.exitcodes import Exit
from tenantry.model.errors import Code, TenantryError
from tenantry.settings import Settings, WrongSettingError, read_settings
from tenantry.wiring import Services, open_services


def local(function: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A command of an asynchronous function, which gets the settings first; its errors end in one line."""

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            settings = read_settings()
            logs.configure(settings.log_level)
            with eventloop.runner() as runner:
                runner.run(function(settings, *args, **kwargs))
        except TenantryError as error:
            fail(error, exit_of(error))
        except WrongSettingError as error:
            fail(error, Exit.WRONG_SETTING)
        except DataDirectoryError as error:
            fail(error, Exit.CANNOT_CREATE)

    return run


@asynccontextmanager
async def open_existing(settings: Settings) -> AsyncIterator[Services]:
    """The services over a database that is there already: one that was made here would be no server's."""
    file = read_database_url(settings.database)
    if isinstance(file, Path) and not file.exists():
        raise TenantryError(
            Code.NOT_FOUND,
            f"there is no database {file}: name the server's with TENANTRY_DATA_DIR or TENANTRY_DATABASE_URL",
        )
    async with open_services(settings) as services:
        yield services
