"""MySQL-protocol servers of a test's own: MariaDB from Debian, and MySQL 9.7 from Debian sid in a root of its own."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from tests.cluster.cache import cache_root, kept
from tests.cluster.packages import ensure_packages, unpack_system
from tests.cluster.processes import Program, free_port, run

USER, PASSWORD = "tenantry", "tenantry-test"
GREETING = 10
PATIENCE = 60
Command = list[str | Path]


class DatabaseServer(ABC):
    """A server that lives from `start` to `stop`, or as long as a with statement.

    Args:
        folder: where its data, socket and log are; a temporary one that `stop` removes by default.
        binlog: also write a binary log, synced at every commit.
        options: further command-line options of the server.
    """

    name: str

    def __init__(self, folder: Path | None = None, *, binlog: bool = False, options: Sequence[str] = ()) -> None:
        self.folder = folder or Path(tempfile.mkdtemp(prefix=f"tenantry-{self.name}-"))
        self.temporary = folder is None
        self.binlog = binlog
        self.options = options
        self.port = free_port()
        self.socket = self.folder / "socket"
        self.program: Program | None = None

    @classmethod
    @abstractmethod
    def prepare(cls) -> None:
        """Install the programs where they are missing.

        Raises:
            UnavailableError: they can't be had on this machine.
        """

    @abstractmethod
    def server(self) -> Command:
        """Return the command of the server, with what it always needs."""

    @abstractmethod
    def client(self) -> Command:
        """Return the command of the client, with what it always needs."""

    @abstractmethod
    def initialise(self, data: Path) -> None:
        """Write a new data directory."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def running(self) -> Program:
        """The program, which was started."""
        if self.program is None:
            raise RuntimeError(f"{self.name} was not started")
        return self.program

    def start(self) -> None:
        """Start on a copy of a data directory that was initialised once, or on what an earlier start left.

        Raises:
            UnavailableError: the server can't be had on this machine.
            StartError: it does not start.
        """
        try:
            self.prepare()
            data = self.folder / "data"
            if not data.exists():
                self.folder.mkdir(parents=True, exist_ok=True)
                template = kept(cache_root() / "databases" / f"{self.name}-{self._version()}", self.initialise)
                shutil.copytree(template, data)
            setup = self.folder / "setup.sql"
            setup.write_text(
                f"CREATE USER IF NOT EXISTS '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';\n"
                f"GRANT ALL PRIVILEGES ON *.* TO '{USER}'@'%';\n",
                encoding="utf-8",
            )
            binlog = ["--log-bin=binlog", "--server-id=1", "--sync-binlog=1"] if self.binlog else ["--skip-log-bin"]
            options = [
                f"--datadir={data}",
                f"--socket={self.socket}",
                f"--pid-file={self.folder / 'pid'}",
                f"--port={self.port}",
                "--bind-address=127.0.0.1",
                "--skip-name-resolve",
                f"--init-file={setup}",
                "--character-set-server=utf8mb4",
                "--innodb-buffer-pool-size=64M",
                "--innodb-flush-log-at-trx-commit=1",
                *binlog,
                *self.options,
            ]
            self.program = Program(self.name, [*self.server(), *options], self.folder / "log")
            self.program.wait_until(self.greets, PATIENCE)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Kill the server and remove a temporary folder."""
        if self.program is not None:
            self.program.end()
            self.program = None
        if self.temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    def kill9(self) -> None:
        """Kill the server as a crash would; `restart` brings it back on the same data and port."""
        self.running.end()

    def restart(self) -> None:
        """Shut the server down in good order, if it still runs, and start it again."""
        self.running.end(signal.SIGTERM)
        self.start()

    def freeze(self) -> None:
        """Stop the server in its tracks: connections are accepted and never greeted."""
        self.running.pause()

    def thaw(self) -> None:
        """Let a frozen server go on."""
        self.running.resume()

    def greets(self, seconds: float = 5) -> bool:
        """Whether the server greets a new connection within that time."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), seconds) as connection:
            packet = connection.recv(5, socket.MSG_WAITALL)
            return len(packet) == 5 and packet[4] == GREETING
        return False

    def sql(self, statements: str) -> str:
        """Run statements as the server's root and return the rows, with tabs between columns."""
        command = [*self.client(), "--user=root", f"--socket={self.socket}", "--batch", "--skip-column-names"]
        return subprocess.run(command, input=statements, capture_output=True, text=True, check=True).stdout

    def create_database(self, name: str) -> None:
        """Create an empty database."""
        self.sql(f"CREATE DATABASE `{name}`")

    def url(self, database: str) -> str:
        """Return the URL of a database, for a user who may do everything."""
        return f"mysql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def _version(self) -> str:
        said = subprocess.run([*self.server(), "--version"], capture_output=True, text=True, check=True).stdout
        return said.partition("Ver ")[2].split("-")[0].split()[0]


class MariaDB(DatabaseServer):
    """The MariaDB that Debian ships."""

    name = "mariadb"

    @classmethod
    def prepare(cls) -> None:
        """Install Debian's package."""
        if shutil.which("mariadbd") is None:
            ensure_packages("mariadb-server")

    def server(self) -> Command:
        """Return the command of the server."""
        return ["mariadbd", "--no-defaults", *as_root()]

    def client(self) -> Command:
        """Return the command of the client."""
        return ["mariadb", "--no-defaults"]

    def initialise(self, data: Path) -> None:
        """Write a new data directory, with a root who needs no password."""
        run(
            "initialising MariaDB",
            "mariadb-install-db",
            "--no-defaults",
            *as_root(),
            f"--datadir={data}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--innodb-log-file-size=16M",
        )


class MySQL97(DatabaseServer):
    """The MySQL 9.7 of Debian sid, whose programs run with the libraries of a root of their own."""

    name = "mysql"

    @classmethod
    def prepare(cls) -> None:
        """Unpack Debian sid's packages into a folder."""
        kept(cls.root(), cls._bootstrap)

    def server(self) -> Command:
        """Return the command of the server."""
        usr = self.root() / "usr"
        places = [f"--basedir={usr}", "--secure-file-priv=NULL", "--mysqlx=OFF"]
        return [*self._loader(), usr / "sbin/mysqld", "--no-defaults", *as_root(), *places]

    def client(self) -> Command:
        """Return the command of the client."""
        return [*self._loader(), self.root() / "usr/bin/mysql", "--no-defaults"]

    def initialise(self, data: Path) -> None:
        """Write a new data directory, with a root who needs no password."""
        run("initialising MySQL", *self.server(), f"--datadir={data}", "--initialize-insecure")
        (data / "auto.cnf").unlink()  # the server's identity: every copy makes its own

    @staticmethod
    def root() -> Path:
        """Return the folder of Debian sid with MySQL in it."""
        return cache_root() / "systems" / "sid-mysql"

    @classmethod
    def _loader(cls) -> Command:
        libraries = cls.root() / "usr/lib" / f"{os.uname().machine}-linux-gnu"
        return [next(libraries.glob("ld-linux-*")), "--library-path", libraries]

    @classmethod
    def _bootstrap(cls, root: Path) -> None:
        unpack_system("sid", root, "mysql-server-core", "mysql-client-core")


def as_root() -> list[str]:
    """Return the option without which root may not run a server."""
    return ["--user=root"] if os.geteuid() == 0 else []
