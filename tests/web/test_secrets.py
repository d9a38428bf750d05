"""The life of an account at log level debug: nothing secret of it is in the log, the metrics or the database."""

import re
import time
from pathlib import Path

import aiohttp

from tenantry.model import totp
from tenantry.model.credentials import SECRET_LENGTH
from tests.support.browsing import browsing, log_in
from tests.support.cli import beside
from tests.support.mailbox import PASSWORD as SMTP_PASSWORD
from tests.support.mailbox import mailbox, until
from tests.support.people import PASSWORD
from tests.support.server import server_process

EMAIL, NEW, WRONG = "ada@example.com", "five words that are new", "something that nobody has"


async def test_nothing_secret_of_a_sign_in_is_kept(tmp_path: Path) -> None:
    secrets = {PASSWORD, NEW, WRONG, SMTP_PASSWORD}
    with mailbox(tmp_path, tls="starttls") as box:
        (tmp_path / "smtp-password").write_text(SMTP_PASSWORD)
        environment = {
            "TENANTRY_LOG_LEVEL": "debug",
            "TENANTRY_SMTP_URL": f"smtp://tenantry@127.0.0.1:{box.port}",
            "TENANTRY_SMTP_PASSWORD_FILE": str(tmp_path / "smtp-password"),
            "TENANTRY_SMTP_CA_FILE": str(box.ca),
            "TENANTRY_SMTP_FROM": "tenantry@example.com",
        }
        async with server_process(tmp_path, environment) as server, browsing(server) as browser:
            setup = await beside(server)("admin", "setup-link")
            page = await browser.get(re.findall(r"/setup/\S+", setup.stdout)[0])
            await browser.submit(page, email=EMAIL, password=PASSWORD, repeated=PASSWORD)
            secrets |= {*browser.cookies.values(), page.path.rpartition("/")[2]}

            begun = await browser.submit(await browser.get("/account/mfa"), password=PASSWORD)
            page = await browser.follow(begun)
            secret = re.findall(r"<code>([A-Z2-7]{32})</code>", page.html)[0]
            done = await browser.submit(page, code=totp.code_of(secret, int(time.time()) // totp.STEP_SECONDS))
            codes = re.findall(r"<code>([0-9a-z-]{19})</code>", done.html)
            secrets |= {*browser.cookies.values(), secret, *codes, *(code.replace("-", "") for code in codes)}

            await browser.submit(await browser.get("/logout"))
            assert (await log_in(browser, EMAIL, WRONG)).status == 422
            await log_in(browser, EMAIL, PASSWORD)
            secrets |= set(browser.cookies.values())
            page = await browser.get("/login/mfa")
            await browser.submit(page, code=codes[0])
            secrets |= {*browser.cookies.values(), *(form["csrf"] for _, form in page.forms)}
            assert (await browser.get("/v1/me")).status == 200

            await browser.submit(await browser.get("/password/forgot"), email=EMAIL)
            await until(lambda: len(box.mails) == 2)  # the first one tells of the second factor
            path = re.findall(r"/password/reset/\S+", str(box.mails[1].get_content()))[0]
            await browser.submit(await browser.get(path), password=NEW, repeated=NEW)
            secrets.add(path.rpartition("/")[2])
            await log_in(browser, EMAIL, NEW)
            async with aiohttp.ClientSession() as session, session.get(f"{server.ops_url}/metrics") as answer:
                metrics = await answer.text()
    parts = {_secret(each) for each in secrets}
    assert len(parts) > 35
    data = tmp_path / "data"
    kept = {path.name: path.read_bytes() for path in data.iterdir() if path.name.startswith("tenantry.db")}
    kept |= {"log": server.log.read_bytes(), "metrics": metrics.encode()}
    assert b"password.reset" in kept["tenantry.db"]
    assert b"/password/reset/tnl_" in kept["log"]
    assert {(name, part) for name, content in kept.items() for part in parts if part.encode() in content} == set()


def _secret(text: str) -> str:
    """``text`` without what a row is found by, which is no secret."""
    parts = text.split("_")
    return parts[2] if len(parts) == 4 and len(parts[2]) == SECRET_LENGTH else text
