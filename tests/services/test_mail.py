"""Mail against a real SMTP server: over TLS that is verified, tried again, and never in anybody's way."""

from pathlib import Path
from typing import Any

import pytest

from tenantry import metrics
from tenantry.addresses import SMTPAddress, read_smtp_url
from tenantry.services.people import mail
from tenantry.services.people.mail import Mail
from tenantry.settings import Settings
from tests.support.mailbox import PASSWORD, USER, mailbox, until

SENDER = "Tenantry <tenantry@example.com>"
SCHEMES = {"starttls": "smtp", "implicit": "smtps", "none": "smtp+plain"}


def address(tls: Any, port: int, ca: Path, **parts: str) -> SMTPAddress:
    login = {} if tls == "none" else {"user": USER, "password": PASSWORD}
    given = {"user": "", "password": "", "host": "127.0.0.1", "ca_file": str(ca), **login, **parts}
    return SMTPAddress(port=port, tls=tls, **given)


@pytest.mark.parametrize("tls", SCHEMES)
async def test_a_mail_arrives_as_it_was_written(tmp_path: Path, tls: str) -> None:
    with mailbox(tmp_path, tls=tls) as box:
        sender = Mail(address(tls, box.port, box.ca), SENDER)
        sender.send("ada@example.com", "Gr\u00fc\u00dfe", "Hello,\n\n    http://localhost/" + "x" * 120 + "\n")
        await until(lambda: box.mails)
        await sender.close()
    (got,) = box.mails
    assert (got["From"], got["To"], got["Subject"]) == (SENDER, "ada@example.com", "Gr\u00fc\u00dfe")
    assert got["Auto-Submitted"] == "auto-generated"
    assert got["Message-ID"].endswith("@example.com>")
    assert got.get_content_type() == "text/plain"
    assert "http://localhost/" + "x" * 120 in got.get_content()
    assert box.logins == ([] if tls == "none" else [USER])


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_a_server_whose_certificate_is_not_believed_gets_nothing(tmp_path: Path, tls: str) -> None:
    (tmp_path / "other").mkdir()
    with mailbox(tmp_path, tls=tls) as box, mailbox(tmp_path / "other", tls=tls) as other:
        sender = Mail(address(tls, box.port, other.ca), SENDER, pauses=())
        sender.send("ada@example.com", "Subject", "Text")
        await until(lambda: not sender._sending)
    assert (box.mails, box.logins) == ([], [])


@pytest.mark.parametrize("login", [{}, {"user": "", "password": ""}], ids=["password", "anonymous"])
async def test_nothing_is_sent_without_the_tls_that_was_asked_for(tmp_path: Path, login: dict[str, str]) -> None:
    with mailbox(tmp_path) as box:
        sender = Mail(address("starttls", box.port, box.ca, **login), SENDER, pauses=())
        sender.send("ada@example.com", "Subject", "Text")
        await until(lambda: not sender._sending)
    assert (box.mails, box.logins) == ([], [])


async def test_it_is_tried_again_when_that_may_help(tmp_path: Path) -> None:
    with mailbox(tmp_path) as box:
        sender = Mail(address("none", box.port, box.ca), SENDER, pauses=(0, 0, 0))
        box.answers = ["451 later", "421 busy"]
        sender.send("ada@example.com", "First", "Text")
        await until(lambda: not sender._sending)
        box.answers = ["550 never", "250 this is not reached"]
        sender.send("ada@example.com", "Second", "Text")
        await until(lambda: not sender._sending)
        assert box.answers == ["250 this is not reached"]
    assert [got["Subject"] for got in box.mails] == ["First"]
    sender.send("ada@example.com", "Third", "Text")  # nobody listens there any more
    await until(lambda: not sender._sending)


async def test_only_so_many_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "WAITING", 3)
    outcomes: list[object] = []
    monkeypatch.setattr(metrics.MAILS, "count", outcomes.append)
    with mailbox(tmp_path) as box:
        sender = Mail(address("none", box.port, box.ca), SENDER)
        for number in range(5):
            sender.send("ada@example.com", f"Mail {number}", "Text")
        await until(lambda: len(box.mails) == 3)
        await sender.close()
    assert outcomes == ["dropped"] * 2 + ["sent"] * 3


@pytest.mark.parametrize("header", ["ada@example.com\nBcc: all@example.com", "ada@example.com\r\nX: y"])
async def test_an_address_cannot_add_a_header(header: str) -> None:
    sender = Mail(SMTPAddress(host="127.0.0.1", port=1, user="", password="", tls="none"), SENDER)
    with pytest.raises(ValueError, match="linefeed or carriage return"):
        sender.send(header, "Subject", "Text")


async def test_without_a_server_nothing_is_sent() -> None:
    sender = Mail(None)
    assert not sender.is_on
    sender.send("ada@example.com", "Subject", "Text")
    await sender.close()


def test_the_settings_tell_the_server(tmp_path: Path) -> None:
    assert Settings(data_dir=tmp_path).smtp is None
    (tmp_path / "password").write_text("from the file\n")
    url = "smtp://ten%40antry:typed@mail.example"
    found = Settings(
        data_dir=tmp_path,
        smtp_url=url,
        smtp_from=SENDER,
        smtp_password_file=tmp_path / "password",
    ).smtp
    assert found == SMTPAddress(
        host="mail.example", port=587, user="ten@antry", password="from the file", tls="starttls"
    )
    assert read_smtp_url("smtps://mail.example:2465").port == 2465
    for wrong in ("mail.example", "smtp://", "http://mail.example", "smtp://u:secret@mail.example:99999", "smtp://h/x"):
        with pytest.raises(ValueError, match="must be smtp") as caught:
            read_smtp_url(wrong)
        assert "secret" not in str(caught.value)
    with pytest.raises(ValueError, match="SMTP_FROM"):
        Settings(data_dir=tmp_path, smtp_url="smtp://mail.example")
    with pytest.raises(ValueError, match="must be an address"):
        Settings(data_dir=tmp_path, smtp_from="Tenantry\r\nBcc: x@y")
