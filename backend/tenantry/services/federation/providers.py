"""Identity providers: those of the settings, which nobody changes here, and those that were made through the API."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tenantry.model import ids
from tenantry.model.audit import describe
from tenantry.model.errors import Code, FieldCode, FieldError, TenantryError
from tenantry.model.identity import Actor
from tenantry.model.providers import DOMAIN, NAME, SCOPE, Provider
from tenantry.services import answers, caps
from tenantry.services.answers import Once
from tenantry.services.audit.log import event
from tenantry.services.encryption import Encryption
from tenantry.services.outbound import Outbound
from tenantry.settings import IdentityProvider
from tenantry.storage import audit, providers
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit

Check = Callable[[Provider], None]


class Providers:
    """All identity providers. They belong to the platform: a tenant's own credential sees none."""

    def __init__(
        self, db: Database, encryption: Encryption, outbound: Outbound, configured: Sequence[IdentityProvider]
    ) -> None:
        self._db = db
        self._encryption = encryption
        self._outbound = outbound
        self._configured = {provider.name: provider for provider in configured}

    async def offered(self) -> list[Provider]:
        """Those with which anybody may try to sign in, by their names for people."""
        made = await self._db.run(providers.all_of_them)
        all_of_them = {provider.name: provider for provider in made} | {
            name: _read(provider) for name, provider in self._configured.items()
        }
        return sorted(all_of_them.values(), key=lambda provider: (provider.display_name, provider.name))

    async def find(self, name: str) -> Provider:
        """The provider of that name.

        Raises:
            TenantryError: ``NOT_FOUND``.
        """
        if name in self._configured:
            return _read(self._configured[name])
        found = await self._db.run(providers.get, name)
        if found is None:
            raise _missing(name)
        return found

    def secret(self, provider: Provider) -> str:
        """The client's secret at the provider; empty for none.

        Raises:
            TenantryError: ``UNAVAILABLE``, it cannot be read.
        """
        if provider.name not in self._configured:
            return self._encryption.decrypt(provider.secret, context(provider.name)).decode() if provider.secret else ""
        file = self._configured[provider.name].client_secret_file
        try:
            return file.read_text(encoding="utf-8").strip() if file else ""
        except (OSError, UnicodeDecodeError):
            raise TenantryError(
                Code.UNAVAILABLE, f"the client_secret_file of the provider {provider.name} cannot be read"
            ) from None

    def is_configured(self, provider: Provider) -> bool:
        """Whether it stands in the settings, and is changed there."""
        return provider.name in self._configured

    async def list(self, actor: Actor) -> list[Provider]:
        """All of them."""
        return [] if actor.tenant_id else await self.offered()

    async def get(self, actor: Actor, name: str) -> Provider:
        """The provider of that name.

        Raises:
            TenantryError: ``NOT_FOUND``.
        """
        if actor.tenant_id:
            raise _missing(name)
        return await self.find(name)

    async def create(
        self, actor: Actor, provider: Provider, client_secret: str, once: Once[Provider] | None
    ) -> Provider:
        """Add ``provider``, whose client there has that secret, if any.

        Raises:
            TenantryError: ``INVALID``, ``ALREADY_EXISTS``, ``LIMIT_REACHED``; ``UNAVAILABLE``, the server keeps no
                secrets.
        """
        self._require_platform(actor)
        self._check(provider)
        if provider.name in self._configured:
            raise _taken(provider.name)
        now = ids.now_micros()
        made = self._seal(replace(provider, created_at=now, updated_at=now), client_secret)
        return await answers.run(self._db, once, _create, actor, made)

    async def update(self, actor: Actor, name: str, changes: Mapping[str, Any], check: Check) -> Provider:
        """Change fields of a provider, among them ``client_secret``, which an empty one takes away.

        Args:
            actor: who asks.
            name: of the provider.
            changes: field of :class:`Provider` -> new value.
            check: raises when it is not as the caller has seen it.

        Raises:
            TenantryError: ``NOT_FOUND``, ``INVALID``; ``MANAGED_ELSEWHERE``, it is in the settings.
        """
        self._require_platform(actor)
        before = await self._own(name)
        check(before)
        fields = {field: value for field, value in changes.items() if field != "client_secret"}
        after = replace(before, **fields, updated_at=max(ids.now_micros(), before.updated_at + 1))
        self._check(after)
        if "client_secret" in changes:
            after = self._seal(after, changes["client_secret"])
        return await self._db.run(_update, actor, after, before, write=True)

    async def delete(self, actor: Actor, name: str, check: Check) -> Provider:
        """Take a provider away. Who somebody was there stays known, should it come back.

        Raises:
            TenantryError: ``NOT_FOUND``; ``MANAGED_ELSEWHERE``, it is in the settings.
        """
        self._require_platform(actor)
        provider = await self._own(name)
        check(provider)
        await self._db.run(_delete, actor, provider, write=True)
        return provider

    @staticmethod
    def _require_platform(actor: Actor) -> None:
        if actor.tenant_id:
            raise TenantryError(Code.FORBIDDEN, "identity providers belong to the platform")

    async def _own(self, name: str) -> Provider:
        if name in self._configured:
            raise TenantryError(
                Code.MANAGED_ELSEWHERE, f"the provider {name} is in TENANTRY_PROVIDERS: change it there"
            )
        return await self.find(name)

    def _seal(self, provider: Provider, client_secret: str) -> Provider:
        if not client_secret:
            return replace(provider, secret="")
        return replace(provider, secret=self._encryption.encrypt(client_secret.encode(), context(provider.name)))

    def _check(self, provider: Provider) -> None:
        errors = []
        if not re.fullmatch(NAME, provider.name):
            errors.append(_invalid("name", "must be lower case letters, digits and hyphens, at most 63"))
        try:
            self._outbound.check(provider.issuer)
        except ValueError as error:
            errors.append(_invalid("issuer", str(error)))
        if "?" in provider.issuer:
            errors.append(_invalid("issuer", "must have no query"))
        if "openid" not in provider.scopes:
            errors.append(_invalid("scopes", "must have openid"))
        errors += _each("scopes", provider.scopes, SCOPE, "must be a scope as RFC 6749 has it")
        errors += _each("emailDomains", provider.email_domains, DOMAIN, "must be a domain such as example.com")
        if errors:
            raise TenantryError(Code.INVALID, "the identity provider is not valid", errors)


def _create(unit: Unit, actor: Actor, provider: Provider) -> Provider:
    caps.check(caps.PROVIDERS, len(providers.all_of_them(unit)))
    if not providers.insert(unit, provider):
        raise _taken(provider.name)
    told = describe({}, _told(provider))
    _note(unit, actor, "identity-provider.create", provider, told)
    return provider


def _update(unit: Unit, actor: Actor, after: Provider, before: Provider) -> Provider:
    if not providers.update(unit, after, before):
        raise TenantryError(Code.CONFLICT, f"the provider {after.name} was changed at the same moment: try again")
    _note(unit, actor, "identity-provider.update", after, describe(_told(before), _told(after)))
    return after


def _delete(unit: Unit, actor: Actor, provider: Provider) -> None:
    if providers.delete(unit, provider.name):
        _note(unit, actor, "identity-provider.delete", provider, describe(_told(provider), {}))


def _note(unit: Unit, actor: Actor, action: str, provider: Provider, diff: str) -> None:
    at = ids.now_micros()
    audit.append(unit, event(actor, action, "IdentityProvider", provider.name, at=at, tenant_id="", diff=diff))


def _told(provider: Provider) -> dict[str, Any]:
    """What the audit log is told of; that a secret changes, and not to what."""
    return {
        "displayName": provider.display_name,
        "issuer": provider.issuer,
        "clientID": provider.client_id,
        "clientSecret": provider.secret,
        "scopes": list(provider.scopes),
        "emailDomains": list(provider.email_domains),
        "autoProvision": provider.auto_provision,
    }


def _read(provider: IdentityProvider) -> Provider:
    return Provider(**provider.model_dump(exclude={"client_secret_file"}))


def context(name: str) -> str:
    """Where the secret of the provider of that name belongs."""
    return f"the secret of an identity provider:{name}"


def _missing(name: str) -> TenantryError:
    return TenantryError(Code.NOT_FOUND, f'there is no identity provider "{name}"')


def _taken(name: str) -> TenantryError:
    return TenantryError(Code.ALREADY_EXISTS, f'there is an identity provider "{name}" already')


def _invalid(path: str, message: str) -> FieldError:
    return FieldError(path, FieldCode.INVALID, f"Invalid value: {message}")


def _each(path: str, values: Collection[str], pattern: str, message: str) -> list[FieldError]:
    return [
        _invalid(f"{path}[{index}]", message) for index, value in enumerate(values) if not re.fullmatch(pattern, value)
    ]
