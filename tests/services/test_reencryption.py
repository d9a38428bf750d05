"""Encrypting everything anew: with the newest key alone all is read again, and nothing is lost that nobody can read."""

from dataclasses import replace

import pytest

from tenantry.model.factors import Factor
from tenantry.model.oauth import SigningKey
from tenantry.model.providers import Provider
from tenantry.model.webhooks import Webhook
from tenantry.services import reencryption
from tenantry.services.encryption import Encryption
from tenantry.services.federation.providers import context as of_provider
from tenantry.services.machines.local_admin import ACTOR
from tenantry.services.oauth.signing_keys import context as of_signing_key
from tenantry.services.people.factors import context as of_factor
from tenantry.services.reencryption import Reencryption
from tenantry.services.webhooks.registry import context as of_webhook
from tenantry.storage import audit, ciphertexts, factors, providers, signing_keys, webhooks
from tenantry.storage.ciphertexts import Place
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit

OLD, NEW, LOST = (Encryption([letter * 32]) for letter in (b"o", b"n", b"l"))
BOTH = Encryption([b"n" * 32, b"o" * 32])
USERS = [f"user-{number}" for number in range(5)]


def _fill(unit: Unit) -> None:
    signing_keys.insert(unit, SigningKey(id="k", alg="ES256", private=OLD.encrypt(b"jwk", of_signing_key("k"))))
    for name, secret in (("corp", OLD.encrypt(b"secret", of_provider("corp"))), ("open", "")):
        issuer = f"https://{name}.example.com"
        provider = Provider(name=name, display_name=name, issuer=issuer, client_id="c", secret=secret)
        assert providers.insert(unit, provider)
    for user in USERS:
        factors.put(unit, Factor(user_id=user, secret=OLD.encrypt(b"totp", of_factor(user)), created_at=1))
    secret, old_secret = (OLD.encrypt(text, of_webhook("w")) for text in (b"secret", b"old_secret"))
    webhook = Webhook(id="w", tenant_id="", url="https://receiver.example.com", secret=secret, old_secret=old_secret)
    webhooks.insert(unit, webhook)


def _texts(unit: Unit) -> dict[str, str]:
    """What is read with the newest key alone."""
    found = {f"totp {user}": NEW.decrypt(factors.get(unit, user).secret, of_factor(user)) for user in USERS}  # type: ignore[union-attr]
    (key,), corp = signing_keys.all_keys(unit), providers.get(unit, "corp")
    webhook = webhooks.get(unit, "w")
    assert corp
    assert webhook
    found |= {
        "key": NEW.decrypt(key.private, of_signing_key("k")),
        "corp": NEW.decrypt(corp.secret, of_provider("corp")),
    }
    found |= {name: NEW.decrypt(getattr(webhook, name), of_webhook("w")) for name in ("secret", "old_secret")}
    return {name: text.decode() for name, text in found.items()}


async def test_the_newest_key_alone_reads_all_again(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reencryption, "_PAGE", 2)
    await database.run(_fill, write=True)
    work = Reencryption(database, BOTH)
    counts = [(each.found, each.renewed, each.unreadable) for each in await work.run(ACTOR)]
    assert counts == [(1, 1, ()), (1, 1, ()), (5, 5, ()), (1, 1, ()), (1, 1, ())]
    read = await database.run(_texts)
    assert read == {
        "key": "jwk",
        "corp": "secret",
        **{f"totp {user}": "totp" for user in USERS},
        "secret": "secret",
        "old_secret": "old_secret",
    }
    assert [each.renewed for each in await work.run(ACTOR)] == [0] * 5  # nothing is written twice
    (row,) = await database.run(audit.page)
    assert (row.action, row.actor) == ("secrets.reencrypt", ACTOR.name)
    assert row.message.startswith("1 signing keys, 1 secrets of identity providers, 5 second factors")


async def test_what_nobody_can_read_is_told_and_stays(database: Database) -> None:
    sealed = LOST.encrypt(b"totp", of_factor("user-0"))

    def lose(unit: Unit) -> None:
        _fill(unit)
        factors.put(unit, Factor(user_id="user-0", secret=sealed, created_at=1))

    await database.run(lose, write=True)
    counts = {each.kind: each for each in await Reencryption(database, BOTH).run(ACTOR)}
    assert (counts["second factors"].renewed, counts["second factors"].unreadable) == (4, ("user-0",))
    kept = await database.run(factors.get, "user-0")
    assert kept
    assert kept.secret == sealed


async def test_what_is_written_meanwhile_stays(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    await database.run(_fill, write=True)
    newer, replace = NEW.encrypt(b"newer", of_factor("user-0")), ciphertexts.replace

    def after_another(unit: Unit, place: Place, key: str, old: str, new: str) -> bool:
        if key == "user-0":
            factors.put(unit, Factor(user_id="user-0", secret=newer, created_at=2))
        return replace(unit, place, key, old, new)

    monkeypatch.setattr(ciphertexts, "replace", after_another)
    await Reencryption(database, BOTH).run(ACTOR)
    kept = await database.run(factors.get, "user-0")
    assert kept
    assert kept.secret == newer


async def test_what_was_read_before_does_not_bring_the_old_text_back(database: Database) -> None:
    await database.run(_fill, write=True)
    webhook, corp = await database.run(webhooks.get, "w"), await database.run(providers.get, "corp")
    assert webhook
    assert corp
    await Reencryption(database, BOTH).run(ACTOR)
    later = replace(webhook, updated_at=webhook.updated_at + 9)
    assert not await database.run(webhooks.update, later, webhook, write=True)
    assert not await database.run(providers.update, replace(corp, updated_at=corp.updated_at + 9), corp, write=True)
    assert (await database.run(_texts))["secret"] == "secret"
