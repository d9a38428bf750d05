"""Programs of a test's own: started on loopback, and gone with the process that started them."""

import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from tests.cluster.cache import UnavailableError

# Put before a command, it has the kernel kill the program when the thread that started it ends, however that ends.
TIED = ("setpriv", "--pdeathsig", "KILL", "--")

# Servers outlive the thread that asks for them, so one thread that ends with the process starts them all.
SPAWNER = ThreadPoolExecutor(1, thread_name_prefix="spawner")


class StartError(Exception):
    """A program ended, or did not answer in time, while it was started; the message holds the end of its log."""


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on.

    It lies below the range that outgoing connections take theirs from: those could take it while a server restarts.
    """
    while True:
        port = random.randrange(20000, 32000)  # noqa: S311 - no secret
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def accepts(address: str, port: int) -> bool:
    """Whether somebody accepts connections there."""
    with suppress(OSError), socket.create_connection((address, port), 1):
        return True
    return False


def execute(
    command: Sequence[str | Path],
    *,
    input: str | None = None,  # noqa: A002 - the name that subprocess.run gives it
    env: Mapping[str, str] | None = None,
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and return what it printed.

    Raises:
        subprocess.CalledProcessError: it failed and `check` is true; what it said is in the error's notes.
    """
    done = subprocess.run(command, input=input, env=env, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        error = subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
        error.add_note(done.stderr)
        raise error
    return done


def run(purpose: str, *command: str | Path) -> str:
    """Run a program that prepares something, and return what it printed.

    Raises:
        UnavailableError: it failed, and what it was for.
    """
    done = execute(command, input="", check=False)
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip().splitlines() or ["it printed nothing"]
        raise UnavailableError(f"{purpose} failed: {said[-1]}")
    return done.stdout


class Program:
    """One program that no Ctrl-C of a terminal reaches, writes to a log and dies with this process.

    It stays in the session of whoever starts it: Linux shares processors out by session first (autogroup), and only
    within one by priority, so that a thread of the lowest one would count as much as a database in another.
    """

    def __init__(
        self, name: str, arguments: Sequence[str | Path], log: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = log
        command = [*TIED, *arguments]
        with log.open("ab") as output:
            self.process = SPAWNER.submit(
                subprocess.Popen,
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=0,
                env=env,
            ).result()

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    def alive(self) -> bool:
        """Whether the program still runs; a paused one does."""
        return self.process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal, which a program that has ended doesn't mind."""
        self.process.send_signal(number)

    def pause(self) -> None:
        """Stop the program in its tracks; when this returns, none of its threads runs any more."""
        self.send(signal.SIGSTOP)
        self.wait_until(self._stands_still, 20)

    def resume(self) -> None:
        """Let a paused program go on."""
        self.send(signal.SIGCONT)

    def end(self, number: signal.Signals = signal.SIGKILL, patience: float = 20) -> None:
        """Send a signal and wait for the end; past `patience` seconds, kill."""
        self.send(number)
        self.resume()
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGKILL)
            self.process.wait()

    def _stands_still(self) -> bool:
        """Whether each thread has stopped: the signal reaches one that runs on another processor milliseconds later."""
        with suppress(OSError):  # a thread ended while it was looked at
            stats = [task.read_text(encoding="ascii") for task in Path(f"/proc/{self.pid}/task").glob("*/stat")]
            return all(stat.rpartition(")")[2].split()[0] == "T" for stat in stats)
        return False

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until `ready` says so.

        Raises:
            StartError: the program ended first, or the time did.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.alive():
                raise StartError(f"{self.name} ended with {self.process.returncode}: {self.tail()}")
            if time.monotonic() > deadline:
                raise StartError(f"{self.name} was not ready in {seconds:.0f} s: {self.tail()}")
            time.sleep(0.05)

    def tail(self) -> str:
        """Return the end of the log."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-2000:].strip()
