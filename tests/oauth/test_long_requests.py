"""Requests with long parameters: no head of an answer is longer than proxies take, and what is too long is told."""

import re
from html import unescape
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from tests.support.oauth import CALLBACK
from tests.support.oauth_http import CHALLENGE, Sent, Wire

#: what nginx takes of an answer's head without a setting
HEAD = 4096
LONG, TOO_LONG = "s" * 5000, "s" * 20_000
BYE = "https://app.example.com/bye"


def fits(sent: Sent) -> bool:
    """Whether the head does."""
    return sum(len(name) + len(value) + 4 for name, value in sent.headers.items()) < HEAD - 1024


def led(sent: Sent) -> tuple[str, dict[str, str]]:
    """Where the page leads by itself, and with what."""
    assert (sent.status, fits(sent)) == (200, True), sent.text
    found = re.search(r'content="0; url=([^"]*)"', sent.text)
    assert found, sent.text
    parts = urlsplit(unescape(found[1]))
    return parts._replace(query="").geturl(), dict(parse_qsl(parts.query))


async def test_a_long_state_comes_back_by_a_page(wire: Wire) -> None:
    where, answer = led(await wire.authorize(state=LONG))
    assert (where, answer["state"]) == (CALLBACK, LONG)
    assert (await wire.redeem(answer["code"])).status == 200
    where, answer = led(await wire.authorize(state=LONG, scope="nothing"))
    assert (where, answer["error"], answer["state"]) == (CALLBACK, "invalid_scope", LONG)


async def test_a_stranger_signs_in_first_and_nothing_is_lost(wire: Wire) -> None:
    stranger = Wire(wire.http, wire.client_id)
    where, answer = led(await stranger.authorize(state=LONG))
    assert where == "/login"
    assert dict(parse_qsl(urlsplit(answer["return_to"]).query))["state"] == LONG


@pytest.mark.parametrize("path", ["/oauth/authorize", "/oauth/logout"])
async def test_a_long_form_is_sent_on_by_a_page(wire: Wire, path: str) -> None:
    form = {"client_id": wire.client_id, "state": LONG}
    where, answer = led(await wire.call("POST", path, data=form, headers={"Origin": "https://app.example.com"}))
    assert (where, answer) == (path, form)
    refused = await wire.call("POST", path, data={**form, "state": TOO_LONG}, headers={"Origin": "https://x.example"})
    assert (refused.status, fits(refused), "too long to be sent on" in refused.text) == (400, True, True)


async def test_a_long_state_of_a_logout_comes_back_by_a_page(wire: Wire) -> None:
    stranger = Wire(wire.http, wire.client_id)
    asked = {"client_id": wire.client_id, "post_logout_redirect_uri": BYE}
    where, answer = led(await stranger.browse("/oauth/logout?" + urlencode({**asked, "state": LONG})))
    assert (where, answer) == (BYE, {"state": LONG})
    refused = await stranger.browse("/oauth/logout?" + urlencode({**asked, "state": TOO_LONG}))
    assert (refused.status, fits(refused)) == (400, True)


async def test_what_cannot_be_sent_back_is_told_to_the_person(wire: Wire) -> None:
    for browser in (wire, Wire(wire.http, wire.client_id)):
        refused = await browser.authorize(state=TOO_LONG)
        assert (refused.status, fits(refused), "too long to be sent on" in refused.text) == (400, True, True)


async def test_an_ordinary_request_is_redirected(wire: Wire) -> None:
    sent = await wire.authorize(state="s" * 1500)
    assert (sent.status, sent.location, fits(sent)) == (303, CALLBACK, True)
    assert CHALLENGE not in sent.headers["Location"]
