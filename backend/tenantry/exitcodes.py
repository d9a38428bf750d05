"""What both programs end with: one table, which `--help` shows and docs/reference/exit-codes.md explains."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Exit(IntEnum):
    """Exit codes; 2 is click's own for a wrong command line. Those from 64 on are of sysexits.h."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    UNAVAILABLE = 69
    CANNOT_CREATE = 73
    IO_ERROR = 74
    DENIED = 77
    WRONG_SETTING = 78
    INTERRUPTED = 130  # 128 and the number of SIGINT, as shells have it
    TERMINATED = 143  # the same of SIGTERM


class Meaning(NamedTuple):
    """``text`` is what `--help` says, ``advice`` what to do."""

    text: str
    advice: str


MEANINGS = {
    Exit.DONE: Meaning("done", "Nothing; a server that was told to stop ends with it too."),
    Exit.FAILED: Meaning(
        "failed, or some of it did; also when something is not there",
        "Read the last line. An operator that lost its Lease ends so: whoever runs it starts it again.",
    ),
    Exit.USAGE: Meaning("wrong command line", "Read the last line, or `--help`."),
    Exit.UNAVAILABLE: Meaning(
        "the server, the database or a port is not to be had",
        "Start what is away, free the port, or start the release that fits the database's schema; then try again.",
    ),
    Exit.CANNOT_CREATE: Meaning(
        "the data directory cannot be written to, or another server has it",
        "Name another one with `TENANTRY_DATA_DIR`, stop the other server, mount something writable there, or mend its "
        "owner and its space.",
    ),
    Exit.IO_ERROR: Meaning("standard output cannot be written to", "Make room where it goes."),
    Exit.DENIED: Meaning(
        "no valid credential, or nothing of it is allowed",
        "Make a key (`tenantry admin key create`), or grant the operator's ServiceAccount its rights.",
    ),
    Exit.WRONG_SETTING: Meaning(
        "wrong setting",
        "The line names the variable: a value that cannot be, or a file that is missing, such as a Secret.",
    ),
    Exit.INTERRUPTED: Meaning("interrupted by Ctrl-C", "Look at what was done by then, and go on from there."),
    Exit.TERMINATED: Meaning(
        "ended by SIGTERM before it served, or before it was done",
        "Start it again: a migration goes on where it was, within 15 seconds.",
    ),
}


def table() -> str:
    """The codes as lines of a command's help, which click leaves as they are."""
    return "\n".join(["\b", "Exit codes:", *(f"  {code:3}  {meaning.text}" for code, meaning in MEANINGS.items())])
