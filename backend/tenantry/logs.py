"""Structured logs: one JSON object a line, or plain lines on a terminal; never a secret.

Every record carries the id and the actor of the request that it was written for.
"""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, ClassVar, TextIO

import orjson

from tenantry.model import credentials


class RequestScope:
    """What the code below a request may know of it without being handed it: for logs and for calls to others."""

    __slots__ = ("actor", "answered", "request_id", "traceparent")

    def __init__(self, request_id: str, traceparent: str = "") -> None:
        self.request_id = request_id
        self.traceparent = traceparent  # W3C Trace Context, as it came in
        self.actor = ""
        self.answered = False  # whether an answer has begun


#: the request that is being answered, if one is
REQUEST: ContextVar[RequestScope | None] = ContextVar("tenantry_request", default=None)

_PASSWORDS = re.compile(r"(\b\w+://[^\s:/@]*:)[^\s/@]+(?=@)")
#: attributes of every LogRecord; what else there is came by ``extra=``
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def redact(text: str) -> str:
    """``text`` without credentials and passwords of URLs: the last line of defence, nobody should log one."""
    return _PASSWORDS.sub(r"\1***", credentials.redact(text))


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return orjson.dumps(_fields(record, self), default=str).decode()


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = _fields(record, self)
        time, level, name, message = (fields.pop(key) for key in ("ts", "level", "logger", "message"))
        traceback = fields.pop("exception", "")
        rest = "".join(f" {key}={value}" for key, value in fields.items())
        return f"{time[11:19]} {level.upper():7} {name}: {message}{rest}" + (f"\n{traceback}" if traceback else "")


def _fields(record: logging.LogRecord, formatter: logging.Formatter) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": redact(record.getMessage()),
    }
    if scope := REQUEST.get():
        fields["request_id"] = scope.request_id
        if scope.actor:
            fields["actor"] = scope.actor
    for name, value in vars(record).items():
        if name not in _STANDARD:
            fields[name] = redact(value) if isinstance(value, str) else value
    if record.exc_info:
        fields["exception"] = redact(formatter.formatException(record.exc_info))
    return fields


class AccessLog:
    """One line per request, past :mod:`logging`, which costs four times as much."""

    _HEAD: ClassVar = {"level": "info", "logger": "tenantry.access"}

    def __init__(self) -> None:
        self._stream: TextIO | None = None
        self._plain = False
        self._lines: list[str] = []
        self._second, self._prefix = 0, ""

    def open(self, stream: TextIO) -> None:
        """Write to ``stream`` from now on."""
        self._stream = stream
        self._plain = stream.isatty()

    def close(self) -> None:
        """Write no more."""
        self._stream = None

    def write(self, time: float, fields: dict[str, str | int | float]) -> None:
        """Write the line of a request that was answered at ``time`` (epoch seconds); from the event loop only.

        All lines of one turn of the loop go out together, at its end.
        """
        if self._stream is None:
            return
        second = int(time)
        if second != self._second:
            self._second = second
            self._prefix = datetime.fromtimestamp(second, UTC).isoformat()[:19]
        if self._plain:
            self._lines.append(f"{self._prefix[11:]} " + " ".join(map(str, fields.values())))
        else:
            ts = f"{self._prefix}.{int(time % 1 * 1000):03}+00:00"
            self._lines.append(orjson.dumps({"ts": ts, **self._HEAD, **fields}).decode())
        if len(self._lines) == 1:
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        lines, self._lines = self._lines, []
        if self._stream is not None:
            self._stream.write("\n".join(lines) + "\n")
            self._stream.flush()


ACCESS = AccessLog()


def configure(level: str, stream: TextIO | None = None) -> None:
    """Send all logs of ``level`` and above to ``stream``, standard error unless given."""
    stream = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_TextFormatter() if stream.isatty() else _JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for talkative in ("authlib", "peewee"):  # else whole tokens, and rows with their hashes and addresses
        logging.getLogger(talkative).setLevel(max(logging.INFO, logging.getLevelName(level.upper())))
    if level == "info":  # a first start would begin with a line for every table
        logging.getLogger("peewee.migrations").setLevel(logging.WARNING)
    if level in ("debug", "info"):
        ACCESS.open(stream)
    else:
        ACCESS.close()
