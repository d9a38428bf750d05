"""Bearer tokens: a fixed one, or one in a file that somebody rotates, as the kubelet does with projected ones."""

from __future__ import annotations

from pathlib import Path


class TokenFile:
    """A token in a file, read again whenever the file is another one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = (0, 0)
        self._token = ""

    def __str__(self) -> str:
        """The token as it is now."""
        found = self._path.stat()
        stamp = (found.st_ino, found.st_mtime_ns)
        if stamp != self._stamp:
            self._token, self._stamp = self._path.read_text(encoding="ascii").strip(), stamp
        return self._token


Token = str | TokenFile
