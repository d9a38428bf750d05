"""Mail, where SMTP is configured: plain words, sent beside the request that asks for it.

A mail waits in memory and not in the database, because the links in it are secrets that the database must not hold. It
is tried again for some minutes; one that a restart loses is asked for again by whoever misses it.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import formatdate, make_msgid, parseaddr

import aiosmtplib

from tenantry import metrics
from tenantry.addresses import SMTPAddress

#: mails that wait; what comes on top is dropped
WAITING = 200
#: seconds before each further try
PAUSES = (1, 5, 30, 120, 300)
_CONNECTIONS = 4
_SECONDS = 20.0

logger = logging.getLogger(__name__)


class Mail:
    """Sends mail, or none when there is no server to send it by.

    Args:
        server: whom to hand it to.
        sender: what stands in ``From``.
        pauses: seconds before each further try.
    """

    def __init__(self, server: SMTPAddress | None, sender: str = "", *, pauses: Sequence[float] = PAUSES) -> None:
        self._server = server
        self._sender = sender
        self._pauses = pauses
        self._connections = asyncio.Semaphore(_CONNECTIONS)
        self._sending: set[asyncio.Task[None]] = set()

    @property
    def is_on(self) -> bool:
        """Whether there is a server to send mail by."""
        return self._server is not None

    def has_room(self, count: int) -> bool:
        """Whether ``count`` more mails may wait; always where none is sent."""
        return not self.is_on or len(self._sending) + count <= WAITING

    def send(self, to: str, subject: str, text: str) -> None:
        """Send ``text`` when there is time; it neither waits nor fails, and does nothing where there is no server."""
        if self._server is None:
            return
        if len(self._sending) >= WAITING:
            metrics.MAILS.count("dropped")
            logger.warning("a mail is not sent: %d wait already", WAITING)
            return
        task = asyncio.create_task(self._send(self._server, self._write(to, subject, text)))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def close(self) -> None:
        """Give up what has not been sent; what is on its way gets a moment."""
        if self._sending:
            await asyncio.wait(self._sending, timeout=1)
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)

    async def _send(self, server: SMTPAddress, message: EmailMessage) -> None:
        for pause in (*self._pauses, None):
            try:
                async with self._connections:
                    await _hand_over(server, message)
            except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
                if pause is None or _is_final(error):
                    metrics.MAILS.count("failed")
                    logger.error("a mail was not sent by %s: %s", server.host, error)  # noqa: TRY400 - that says it all
                    return
                logger.warning("a mail waits for %s: %s", server.host, error)
                await asyncio.sleep(pause)
            else:
                metrics.MAILS.count("sent")
                return

    def _write(self, to: str, subject: str, text: str) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = to
        message["Subject"] = subject
        message["Date"] = formatdate(localtime=False)
        message["Message-ID"] = make_msgid(domain=parseaddr(self._sender)[1].rpartition("@")[2])
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody is on holiday for us
        message.set_content(text)
        return message


async def _hand_over(server: SMTPAddress, message: EmailMessage) -> None:
    await aiosmtplib.send(
        message,
        hostname=server.host,
        port=server.port,
        username=server.user or None,
        password=server.password or None,
        use_tls=server.tls == "implicit",
        start_tls=server.tls == "starttls",
        tls_context=ssl.create_default_context(cafile=server.ca_file or None) if server.tls != "none" else None,
        timeout=_SECONDS,
    )


def _is_final(error: Exception) -> bool:
    """Whether the server will not take it the next time either (RFC 5321, 4.2.1)."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return all(refused.code >= 500 for refused in error.recipients)  # noqa: PLR2004 - as the RFC says
    return isinstance(error, aiosmtplib.SMTPResponseException) and error.code >= 500  # noqa: PLR2004 - as above
