"""kubectl against a server of ours, with the kubeconfig that the server wrote."""

import asyncio
import json
import os
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: seconds for one command, or for a line that must come
PATIENCE = 30


@dataclass(frozen=True, slots=True)
class Done:
    """What a command printed, and its exit code."""

    out: str
    err: str
    code: int


@dataclass(frozen=True, slots=True)
class Kubectl:
    """One kubectl; `home` is where it keeps what it has discovered."""

    program: Path
    kubeconfig: Path
    home: Path

    async def run(self, *arguments: str, input: str = "", code: int = 0, **environment: str) -> Done:  # noqa: A002 - as in subprocess
        """Run a command that ends with the exit code `code`; `input` is what it reads."""
        process = await asyncio.create_subprocess_exec(
            *self._command(arguments), stdin=PIPE, stdout=PIPE, stderr=PIPE, env=self._environment() | environment
        )
        async with asyncio.timeout(PATIENCE):
            out, err = await process.communicate(input.encode())
        done = Done(out.decode(), err.decode(), process.returncode or 0)
        assert done.code == code, f"kubectl {' '.join(arguments)} ended with {done.code}:\n{done.out}{done.err}"
        return done

    async def out(self, *arguments: str, **options: Any) -> str:
        """What a command prints, without the end of the line."""
        return (await self.run(*arguments, **options)).out.rstrip("\n")

    async def refused(self, *arguments: str, input: str = "") -> str:  # noqa: A002 - as in subprocess
        """What a command that fails says."""
        return (await self.run(*arguments, input=input, code=1)).err

    async def get(self, *arguments: str) -> Any:
        """The object or list that `kubectl get` shows."""
        return json.loads(await self.out("get", *arguments, "-o", "json"))

    @asynccontextmanager
    async def follow(self, *arguments: str) -> AsyncIterator[asyncio.StreamReader]:
        """The output of a command that goes on, such as a watch; it is ended at the end."""
        process = await asyncio.create_subprocess_exec(
            *self._command(arguments), stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL, env=self._environment()
        )
        assert process.stdout is not None
        try:
            yield process.stdout
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()

    def _command(self, arguments: tuple[str, ...]) -> list[str]:
        return [str(self.program), f"--kubeconfig={self.kubeconfig}", f"--cache-dir={self.home}", *arguments]

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "HOME": str(self.home)}


async def row(output: asyncio.StreamReader) -> list[str]:
    """The cells of the next line that a command prints."""
    async with asyncio.timeout(PATIENCE):
        line = await output.readline()
    return line.decode().split()
