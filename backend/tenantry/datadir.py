"""The data directory: files that nobody else may read, each written whole or not at all."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: file of a server on loopback: the URL of its pages, for links that other processes make
PAGES_URL = "pages-url"


class DataDirectoryError(Exception):
    """The data directory cannot be used; its text is one line that says why."""


class DataDirectory:
    """A directory, of mode 0700 and hidden from git when it is made here, with files of mode 0600."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self) -> None:
        """Make the directory if it is not there, and see that it can be written to.

        Raises:
            DataDirectoryError: it cannot.
        """
        try:
            self._make()
            with tempfile.TemporaryFile(dir=self.path):
                pass
        except OSError as error:
            raise DataDirectoryError(f"cannot write to the data directory {self.path}: {error.strerror}") from error

    def _make(self) -> None:
        try:
            self.path.mkdir(mode=0o700, parents=True)
        except FileExistsError:
            if not self.path.is_dir():
                raise
        else:
            self._write(self.path / ".gitignore", b"*\n")  # what lies there are keys

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other servers out of the directory; the lock ends with the process, however that ends.

        Raises:
            DataDirectoryError: another one is in it.
        """
        with self._named("lock"):
            handle = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise DataDirectoryError(
                f"the data directory {self.path} is in use by another server; stop that, or set TENANTRY_DATA_DIR"
            ) from None
        try:
            yield
        finally:
            os.close(handle)

    def read(self, name: str) -> bytes | None:
        """What is in the file, None when there is none.

        Raises:
            DataDirectoryError: it cannot be read.
        """
        with self._named(name):
            try:
                return (self.path / name).read_bytes()
            except FileNotFoundError:
                return None

    def write(self, name: str, content: bytes) -> Path:
        """Replace the file's content atomically, and return its path.

        Raises:
            DataDirectoryError: it cannot be written.
        """
        with self._named(name):
            return self._write(self.path / name, content)

    def _write(self, target: Path, content: bytes) -> Path:
        handle, temporary = tempfile.mkstemp(dir=self.path, prefix=f".{target.name}.")  # mkstemp gives it mode 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        return target

    @contextmanager
    def _named(self, name: str) -> Iterator[None]:
        """Tell errors of the file as ours."""
        try:
            yield
        except OSError as error:
            raise DataDirectoryError(f"cannot use {self.path / name}: {error.strerror}") from error
