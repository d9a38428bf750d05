"""Passwords: hashed with argon2id in a pool of their own, so that a storm of sign-ins keeps nobody else waiting.

The parameters are those of OWASP's Password Storage Cheat Sheet: 19 MiB, 2 passes, 1 lane. On two cores one thread
hashes; who finds the queue full is asked to come back.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache, cached_property
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from tenantry.model import fielderrors
from tenantry.model.errors import Code, FieldCode, FieldError, TenantryError
from tenantry.model.fielderrors import FieldErrors

#: NIST SP 800-63B: at least eight characters, no rules of composition; longer ones than this only cost time
LEAST_CHARACTERS = 8
MOST_BYTES = 1024
#: letters that a context-specific word has at least; a shorter one is part of too much
_LEAST_LETTERS = 3
#: passwords that wait to be hashed: about two seconds of work
_WAITING = 64
_LOWEST = 19  # what `nice` can do

T = TypeVar("T")


class Passwords:
    """Hashes and verifies passwords.

    Args:
        about: texts about the server, of whose words alone nobody's password is made: its name and its host.
    """

    def __init__(self, about: Iterable[str] = ()) -> None:
        self._about = tuple(about)
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        threads = max(1, (os.cpu_count() or 1) // 2)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="password", initializer=_stand_back)
        self._waiting = 0

    async def hash(
        self, password: str, field: str = "password", *, about: Iterable[str] = (), repeated: str | None = None
    ) -> str:
        """A new ``password`` as the database keeps it: argon2id in PHC form.

        Args:
            password: as it was typed.
            field: where complaints are told.
            about: texts about whose it is, of whose words alone it is not made: e-mail address and name.
            repeated: the same typed again, where nobody sees what they type.

        Raises:
            TenantryError: ``INVALID`` at ``field``, it is too short, too long, too common or easy to guess, and at
                ``repeated``; ``UNAVAILABLE``, too many wait.
        """
        wrong, hashed = FieldErrors(), ""
        with wrong:
            hashed = await self._hash_good(password, field, about)
        with wrong:
            _check_repeated(password, repeated)
        wrong.refuse()
        return hashed

    async def _hash_good(self, password: str, field: str, about: Iterable[str]) -> str:
        _check_length(password, field)
        if _is_made_of(password, _words((*self._about, *about))):
            message = "Invalid value: is made of your name, your address or this server's, and so easy to guess"
            raise TenantryError(
                Code.INVALID, "the password is easy to guess", [FieldError(field, FieldCode.INVALID, message)]
            )
        return await self._run(lambda: self._hash(password, field))

    async def rehash(self, password: str) -> str:
        """A password that is good already, hashed with today's parameters.

        Raises:
            TenantryError: ``UNAVAILABLE``, too many wait.
        """
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, hashed: str, password: str) -> bool:
        """Whether ``password`` is the one that ``hashed`` was made of.

        It takes as long when ``hashed`` is empty, so that nobody learns whose account has none, or is none.

        Raises:
            TenantryError: ``UNAVAILABLE``, too many wait.
        """
        given = _encode(password)
        return await self._run(lambda: self._verify(hashed, given)) and bool(hashed)

    def is_outdated(self, hashed: str) -> bool:
        """Whether ``hashed`` was made with other parameters than today's, and should be made again."""
        return self._hasher.check_needs_rehash(hashed)

    def close(self) -> None:
        """Let the threads go."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    @cached_property
    def _nobodys(self) -> str:
        return self._hasher.hash(secrets.token_urlsafe())

    def _hash(self, password: str, field: str) -> str:
        if password.lower() in _common():
            message = "Invalid value: many people use this password; take another"
            raise TenantryError(
                Code.INVALID, "the password is too common", [FieldError(field, FieldCode.INVALID, message)]
            )
        return self._hasher.hash(password)

    def _verify(self, hashed: str, password: bytes) -> bool:
        nobodys = self._nobodys  # the first time takes twice as long, whosever it is
        try:
            return self._hasher.verify(hashed or nobodys, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= _WAITING:
            raise TenantryError(Code.UNAVAILABLE, "too many people sign in at this moment: try again", retry_after=2)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1


def _check_length(password: str, field: str) -> None:
    if len(password) >= LEAST_CHARACTERS and _encode(password):
        return
    message = f"Invalid value: must have at least {LEAST_CHARACTERS} characters, and at most {MOST_BYTES} bytes"
    raise TenantryError(
        Code.INVALID, "the password is too short or too long", [FieldError(field, FieldCode.INVALID, message)]
    )


def _check_repeated(password: str, repeated: str | None) -> None:
    if repeated not in {None, password}:
        wrong = fielderrors.broken("repeated", "is not the same as the password above")
        raise TenantryError(Code.INVALID, "the passwords differ", [wrong])


def _words(texts: Iterable[str]) -> set[str]:
    """The words of ``texts`` that are long enough, without digits and punctuation."""
    found = (word for text in texts for word in re.split(r"[\W\d_]+", text.casefold()))
    return {word for word in found if len(word) >= _LEAST_LETTERS}


def _is_made_of(password: str, words: set[str]) -> bool:
    """Whether ``password`` has no letter beside those of ``words``; digits and punctuation do not make it better."""
    rest = password.casefold()
    for word in sorted(words, key=len, reverse=True):
        rest = rest.replace(word, " ")
    return rest != password.casefold() and not any(map(str.isalpha, rest))


@cache
def _common() -> frozenset[str]:
    """What many people take; read when it is wanted: the lists of the library are large."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # noqa: PLC0415 - as the docstring says

    return frozenset(word for word in FREQUENCY_LISTS["passwords"] if len(word) >= LEAST_CHARACTERS)


def _stand_back() -> None:
    """Let the thread have only what time the others leave: it kept a request beside it waiting for 40 ms."""
    if sys.platform == "linux":  # which alone has priorities by thread
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST)


def _encode(password: str) -> bytes:
    """``password`` in UTF-8; nothing when it is too long, or no text that can be written down."""
    try:
        encoded = password.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can hold
        return b""
    return encoded if len(encoded) <= MOST_BYTES else b""
