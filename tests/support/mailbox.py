"""A real SMTP server for tests, which keeps what it gets."""

import asyncio
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tenantry.datadir import DataDirectory
from tenantry.web.tls import local_certificate
from tests.cluster.processes import free_port

USER, PASSWORD = "tenantry", "a password: with@signs/in"


@dataclass
class Mailbox:
    """What has come in; `answers` are what it says to the next mails, before it takes one."""

    port: int
    ca: Path
    mails: list[EmailMessage] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)

    @property
    def settings(self) -> dict[str, Any]:
        """Those of a server that sends its mail here, when the mailbox takes all."""
        return {"smtp_url": f"smtp+plain://127.0.0.1:{self.port}", "smtp_from": "t@example.com"}

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - its name
        """Take a mail."""
        del server, session
        if self.answers:
            return self.answers.pop(0)
        content = envelope.content
        assert isinstance(content, bytes)
        self.mails.append(message_from_bytes(content, policy=policy.default))
        return "250 OK"

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, how: str, data: object) -> AuthResult:
        """Let its one user in."""
        del server, session, envelope, how
        assert isinstance(data, LoginPassword)
        self.logins.append(data.login.decode())
        return AuthResult(success=(data.login, data.password) == (USER.encode(), PASSWORD.encode()))


async def until(condition: Callable[[], object]) -> None:
    """Wait for what another thread, or something in the background, does."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - nothing there sets an event of ours
            await asyncio.sleep(0.01)


@contextmanager
def mailbox(tmp_path: Path, *, tls: str = "none") -> Iterator[Mailbox]:
    """A server on loopback: with `starttls` and `implicit` TLS it wants a password, with `none` it takes all."""
    directory = DataDirectory(tmp_path / "smtp")
    directory.open()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*local_certificate(directory))
    box = Mailbox(port=free_port(), ca=directory.path / "ca.crt")
    options: dict[str, Any] = {} if tls == "none" else {"authenticator": box.authenticate}
    if tls == "starttls":
        options |= {"tls_context": context, "require_starttls": True, "auth_required": True}
    elif tls == "implicit":
        options |= {"ssl_context": context, "auth_require_tls": False}
    controller = Controller(box, hostname="127.0.0.1", port=box.port, **options)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()
