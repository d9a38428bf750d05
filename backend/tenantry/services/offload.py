"""Computing that would hold up the event loop, done on a thread when there is much of it.

One thread for all: Python runs one computation at a time anyway, and a second thread would only take turns from the
loop, which has every other request to answer.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar, TypeVarTuple

import orjson

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

#: bytes of JSON; to apply and validate a document of this length takes about 5 ms
LARGE = 16 * 1024

_thread = ThreadPoolExecutor(1, thread_name_prefix="offload")


async def offload(subject: object, function: Callable[[*Ts], T], *args: *Ts) -> T:
    """What ``function(*args)`` returns, which is pure and takes the longer the larger ``subject`` is.

    Args:
        subject: bytes, or a JSON tree, which may be larger than the YAML that it was read from.
        function: what to call.
        *args: what to call it with.
    """
    if _size(subject) <= LARGE:
        return function(*args)
    return await asyncio.get_running_loop().run_in_executor(_thread, partial(function, *args))


def _size(subject: object) -> float:
    try:
        return len(subject if isinstance(subject, bytes) else orjson.dumps(subject))
    except orjson.JSONEncodeError:  # not for us to say what is wrong with it
        return math.inf
