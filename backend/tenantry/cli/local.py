"""Commands that run with this machine's settings: the server itself, and what works on its database."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

from tenantry import eventloop, logs
from tenantry.cli.exits import exit_of, fail
from tenantry.datadir import DataDirectoryError
from tenantry.exitcodes import Exit
from tenantry.model.errors import TenantryError
from tenantry.settings import WrongSettingError, read_settings


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
