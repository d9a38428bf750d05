"""Computing that would hold up the event loop, done on a thread when there is much of it.

One thread for all: Python runs one computation at a time anyway, and a second thread would only take turns from the
loop, which has every other request to answer.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

#: bytes of JSON or YAML; to read, or to check and encode, a document of this length takes about 2 ms
LARGE = 8 * 1024
#: bytes that a value and its punctuation take, beyond its text
_VALUE = 6

#: seconds after which the thread lets others go on, in place of Python's 5 ms: the loop waits for its turn ten times in
#: a request; it is not so always, for then each request would cost a tenth more
_TURN = 0.0005

_thread = ThreadPoolExecutor(1, thread_name_prefix="offload")


async def offload(subject: object, function: Callable[[*Ts], T], *args: *Ts) -> T:
    """What ``function(*args)`` returns, which is pure and takes the longer the larger ``subject`` is.

    Args:
        subject: text of a document, or a JSON tree, which may be larger than the YAML that it was read from; or a list
            of such.
        function: what to call.
        *args: what to call it with.
    """
    if not _is_large(subject):
        return function(*args)
    return await asyncio.get_running_loop().run_in_executor(_thread, partial(_in_turns, function, *args))


def _in_turns(function: Callable[[*Ts], T], *args: *Ts) -> T:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(_TURN)
    try:
        return function(*args)
    finally:
        sys.setswitchinterval(usual)


def _is_large(subject: object) -> bool:
    """Whether there is more than :data:`LARGE` of it, by looking at no more than that."""
    room, rest = LARGE, [subject]
    while rest and room >= 0:
        each = rest.pop()
        if isinstance(each, (str, bytes)):
            room -= len(each)
        elif isinstance(each, (dict, list, tuple)):
            room -= _VALUE * len(each)
            if room >= 0:
                rest.extend(each)
                rest.extend(each.values() if isinstance(each, dict) else ())
    return room < 0
