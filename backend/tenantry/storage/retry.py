"""What a database error means for the unit that met it: try again, on which connection, or give up.

The codes are MySQL's, MariaDB's and TiDB's. An error that masks another (a failed ROLLBACK, a service's own
exception) keeps the masked one as its context, so the whole chain is looked at.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import peewee
import pymysql

#: The server has undone the transaction (or never began it); the same unit may succeed.
TRANSIENT = frozenset({
    1205,  # lock wait timeout
    1213,  # deadlock; on Galera also a lost certification
    1020,  # record has changed since last read (MariaDB 11.6+, Galera)
    8002,  # TiDB: SELECT FOR UPDATE conflict
    8022,  # TiDB: write conflict, retryable
    9007,  # TiDB: write conflict
})  # fmt: skip
#: The connection, or the server behind it, is of no further use.
LOST = frozenset({
    0,  # PyMySQL: the connection was closed under us
    1040,  # too many connections
    1047,  # Galera: not in the primary component
    1053,  # server shutdown in progress
    1180,  # error during COMMIT
    1203,  # the user has max_user_connections already
    1226,  # the user has used up another of its limits
    1290,  # --read-only or --super-read-only
    1836,  # read-only mode (Group Replication)
    1927,  # MariaDB: connection was killed
    2003,  # cannot connect
    2006,  # server has gone away
    2013,  # lost connection during query
    4031,  # disconnected because of inactivity
})  # fmt: skip
#: Those of the driver: the server has said nothing.
SILENT = frozenset({0, 2006, 2013})
#: The server does not let us work, and will not a moment later either: somebody must do something about it.
REFUSED = frozenset({
    1021,  # disk full
    1037,  # out of memory
    1044,  # access denied to the database
    1045,  # access denied: wrong password
    1114,  # the table is full
    1129,  # host blocked because of many errors
    1130,  # host not allowed
    1142,  # no privilege on the table
    1143,  # no privilege on the column
    1227,  # no such privilege
    1698,  # access denied without a password
})  # fmt: skip
#: Tries after the first one.
LIMIT = 4
_FIRST_PAUSE = 0.02  # seconds; doubled each time, and drawn evenly below


class CommitUnknownError(Exception):
    """The connection was lost after COMMIT was sent: of 34 such units in a test, 25 had committed."""


class NotConnectedError(Exception):
    """No connection could be opened; whatever the reason, it is not the fault of the unit that needed one."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What to do after an error: ``again`` with the unit, ``discard`` the connection; ``code`` is what decided."""

    again: bool
    discard: bool
    code: int | None


def fate(error: BaseException) -> Fate:
    """What ``error`` means, looking through everything that it masks."""
    codes = _codes(error)
    unknown = any(isinstance(link, CommitUnknownError) for link in chain(error))
    lost = next((code for code in codes if code in LOST), None)
    refused = next((code for code in codes if code in REFUSED), None)
    transient = next((code for code in codes if code in TRANSIENT), None)
    if lost is not None:
        return Fate(again=not unknown, discard=True, code=lost)
    if refused is not None or any(isinstance(link, NotConnectedError) for link in chain(error)):
        return Fate(again=False, discard=True, code=refused or next(iter(codes), 0))
    return Fate(again=transient is not None, discard=False, code=transient)


def pause(attempt: int) -> float:
    """Seconds to wait before the try after ``attempt`` (1, 2, 3...); random, so that rivals part."""
    return random.uniform(0, _FIRST_PAUSE * 2 ** (attempt - 1))  # noqa: S311 - jitter, not a secret


def has_code(error: BaseException, code: int) -> bool:
    """Whether ``error``, or what it masks, is the server's error ``code``."""
    return code in _codes(error)


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """``error`` and what it masks."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def system_error(error: BaseException) -> str:
    """What the system or its resolver has said; empty when it was not asked."""
    found = next((link for link in chain(error) if isinstance(link, OSError)), None)
    return str(found.strerror or found) if found else ""


def _codes(error: BaseException) -> list[int]:
    # both the driver's errors and peewee's begin with the server's code
    links = [link for link in chain(error) if isinstance(link, (peewee.PeeweeException, pymysql.MySQLError))]
    return [link.args[0] for link in links if link.args and isinstance(link.args[0], int)]
