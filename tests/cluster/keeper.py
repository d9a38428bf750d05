"""Keep one thing of a kind running in the background, by hand: up, status, down."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from tests.cluster.cache import UnavailableError, cache_root
from tests.cluster.processes import StartError


class Kept(Protocol):
    """What can be kept running."""

    def describe(self) -> str:
        """Return how to reach it."""


def main(arguments: Sequence[str], name: str, make: Callable[[Path], AbstractContextManager[Kept]]) -> int:
    """Do what the command line asks; `make` gets the folder, called `name`, that the kept thing may use."""
    folder = cache_root() / name
    commands: dict[str, Callable[[], int]] = {
        "up": lambda: up(folder),
        "status": lambda: status(folder),
        "down": lambda: down(folder),
        "serve": lambda: serve(folder, make),
    }
    if len(arguments) != 1 or arguments[0] not in commands:
        sys.stderr.write(f"usage: {Path(sys.argv[0]).name} up | status | down\n")
        return 2
    return commands[arguments[0]]()


def up(folder: Path) -> int:
    """Start it in a process of its own and say how to reach it."""
    if not running(folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        with (folder / "keeper.log").open("wb") as log:
            keeper = subprocess.Popen(
                [sys.executable, sys.argv[0], "serve"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        while not (folder / "state.json").exists():
            if keeper.poll() is not None:
                sys.stderr.write((folder / "keeper.log").read_text(encoding="utf-8"))
                return 1
            time.sleep(0.1)
    return status(folder)


def status(folder: Path) -> int:
    """Say how to reach it, or that it is down."""
    if not running(folder):
        sys.stdout.write("down\n")
        return 1
    sys.stdout.write(json.loads((folder / "state.json").read_text(encoding="utf-8"))["reach"] + "\n")
    return 0


def down(folder: Path) -> int:
    """Stop it and wait until it is gone."""
    if running(folder):
        os.kill(json.loads((folder / "state.json").read_text(encoding="utf-8"))["pid"], signal.SIGTERM)
        while running(folder):
            time.sleep(0.1)
    return 0


def serve(folder: Path, make: Callable[[Path], AbstractContextManager[Kept]]) -> int:
    """Run it here until the process is told to end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with lock_file(folder).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            with make(folder) as kept:
                state, draft = folder / "state.json", folder / "state.json.draft"
                draft.write_text(json.dumps({"pid": os.getpid(), "reach": kept.describe()}), encoding="utf-8")
                draft.rename(state)
                while True:
                    signal.pause()
        except (UnavailableError, StartError) as error:
            sys.stderr.write(f"{error}\n")
            return 1


def running(folder: Path) -> bool:
    """Whether a keeper has it up: it holds the lock and has written its state."""
    with lock_file(folder).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return (folder / "state.json").exists()
    return False


def lock_file(folder: Path) -> Path:
    """Return the file that a keeper locks while it lives."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder.parent / f".{folder.name}.lock"
