"""The composition root: every service made once, from the settings, and closed in the opposite order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from tenantry.addresses import MySQLAddress, read_database_url
from tenantry.datadir import DataDirectory
from tenantry.model.audit_chain import Seals
from tenantry.services.audit.log import AuditLog
from tenantry.services.audit.sealing import Sealer
from tenantry.services.authentication import Authenticator
from tenantry.services.encryption import Encryption, open_encryption
from tenantry.services.federation.oidc import RelyingParty
from tenantry.services.federation.providers import Providers
from tenantry.services.federation.sign_in import Federation
from tenantry.services.feed import Feed
from tenantry.services.machines.keys import Keys
from tenantry.services.machines.keysets import KeySets
from tenantry.services.machines.service_accounts import ServiceAccounts
from tenantry.services.oauth.access_tokens import AccessTokens
from tenantry.services.oauth.client_assertions import WorkloadAssertions
from tenantry.services.oauth.clients import Clients
from tenantry.services.oauth.grants import OAuth
from tenantry.services.oauth.signing_keys import SigningKeys
from tenantry.services.outbound import Outbound, Outbounds
from tenantry.services.people.access import Access
from tenantry.services.people.accounts import Accounts
from tenantry.services.people.admins import Admins
from tenantry.services.people.email_addresses import EmailAddresses
from tenantry.services.people.factors import Factors
from tenantry.services.people.invites import Invites
from tenantry.services.people.mail import Mail
from tenantry.services.people.members import Members
from tenantry.services.people.passwords import Passwords
from tenantry.services.people.sessions import Sessions
from tenantry.services.people.sign_in import SignIn
from tenantry.services.people.sign_up import SignUp
from tenantry.services.people.tenants import Tenants
from tenantry.services.people.users import Users
from tenantry.services.rate_exchange import RateExchange
from tenantry.services.rate_limits import RateLimits
from tenantry.services.reencryption import Reencryption
from tenantry.services.resources.crud import ResourceService
from tenantry.services.resources.explain import Explanations
from tenantry.services.resources.history import History
from tenantry.services.resources.lookup import Lookup
from tenantry.services.resources.records import Records
from tenantry.services.resources.tombstones import Tombstones
from tenantry.services.standing import Standing
from tenantry.services.throttle import Throttle
from tenantry.services.webhooks.deliveries import Deliveries
from tenantry.services.webhooks.registry import Webhooks
from tenantry.services.worker import Worker
from tenantry.settings import Settings
from tenantry.storage.db import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What the web layer and the CLI work with."""

    settings: Settings
    directory: DataDirectory
    encryption: Encryption
    reencryption: Reencryption
    db: Database
    keys: Keys
    standing: Standing
    authenticator: Authenticator
    signing_keys: SigningKeys
    access_tokens: AccessTokens
    oauth: OAuth
    workload_assertions: WorkloadAssertions
    clients: Clients
    rate_limits: RateLimits
    rate_exchange: RateExchange
    passwords: Passwords
    throttle: Throttle
    sign_in: SignIn
    mail: Mail
    accounts: Accounts
    email_addresses: EmailAddresses
    access: Access
    factors: Factors
    sessions: Sessions
    users: Users
    members: Members
    invites: Invites
    providers: Providers
    federation: Federation
    sign_up: SignUp
    service_accounts: ServiceAccounts
    audit: AuditLog
    seals: Seals
    sealer: Sealer
    resources: ResourceService
    tenants: Tenants
    history: History
    explain: Explanations
    tombstones: Tombstones
    records: Records
    feed: Feed
    webhooks: Webhooks
    worker: Worker
    admins: Admins


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """The services, for as long as the context lasts. A MySQL server need not be up; a SQLite file is migrated.

    Raises:
        WrongSettingError: a cluster's key set is wrong.
        DataDirectoryError: the data directory cannot be written to.
        TenantryError: ``UNAVAILABLE``, the SQLite file cannot be used.
    """
    directory = DataDirectory(settings.data_dir)
    directory.open()
    async with AsyncExitStack() as stack:
        encryption = open_encryption(settings, directory)
        db = await Database.open(settings.database)
        stack.push_async_callback(db.close)
        keysets = KeySets(settings.clusters)
        await keysets.open()
        stack.push_async_callback(keysets.close)
        feed = Feed(db)
        standing = Standing(db, feed)
        stack.push_async_callback(standing.close)
        seals = Seals(encryption.derive("audit"))
        signing_keys = SigningKeys(db, standing, encryption, seals, settings.signing_algorithm)
        access_tokens = AccessTokens(settings.issuer, signing_keys)
        authenticator = Authenticator(db, standing, keysets, access_tokens, second_factor=settings.second_factor)
        stack.push_async_callback(authenticator.close)
        oauth = OAuth(db, standing, encryption)
        rate_limits = RateLimits(settings, shared=isinstance(read_database_url(settings.database), MySQLAddress))
        rate_exchange = RateExchange(db, rate_limits)
        passwords = Passwords(("tenantry", urlsplit(settings.pages_url).hostname or ""))
        stack.callback(passwords.close)
        audit = AuditLog(db)
        stack.push_async_callback(audit.close)
        throttle = Throttle(db)
        sessions, outbound = Sessions(db), Outbound(settings.outbound_allow)
        tenants_allow = settings.outbound_allow_tenants
        outbounds = Outbounds(outbound, Outbound(tenants_allow, setting="OUTBOUND_ALLOW_TENANTS"))
        providers = Providers(db, encryption, outbound, settings.providers)
        mail = Mail(settings.smtp, settings.smtp_from)
        stack.push_async_callback(mail.close)
        invites = Invites(db, standing, passwords, mail)
        everybody = settings.sign_up == "Open"
        email_addresses = EmailAddresses(
            db, passwords, throttle, mail, invites, settings.pages_url, everybody=everybody
        )
        stack.push_async_callback(email_addresses.close)
        accounts = Accounts(db, passwords, throttle, mail, settings.pages_url)
        stack.push_async_callback(accounts.close)
        factors = Factors(db, accounts, encryption, throttle)
        resources = ResourceService(db, Lookup(db))
        keys = Keys(db)
        yield Services(
            settings=settings,
            directory=directory,
            encryption=encryption,
            reencryption=Reencryption(db, encryption),
            db=db,
            keys=keys,
            standing=standing,
            authenticator=authenticator,
            signing_keys=signing_keys,
            access_tokens=access_tokens,
            oauth=oauth,
            workload_assertions=WorkloadAssertions(keysets, standing, settings.issuer),
            clients=Clients(db, settings.clusters),
            rate_limits=rate_limits,
            rate_exchange=rate_exchange,
            passwords=passwords,
            throttle=throttle,
            sign_in=SignIn(db, passwords, factors, sessions, throttle, audit),
            mail=mail,
            accounts=accounts,
            email_addresses=email_addresses,
            access=Access(db, accounts, keys),
            factors=factors,
            sessions=sessions,
            users=Users(db, standing),
            members=Members(db),
            invites=invites,
            providers=providers,
            sign_up=SignUp(db, settings),
            service_accounts=ServiceAccounts(db, keys, settings.clusters),
            federation=Federation(
                db,
                providers,
                RelyingParty(outbound),
                sessions,
                invites,
                accounts,
                factors,
                audit,
                everybody=everybody,
            ),
            audit=audit,
            seals=seals,
            sealer=Sealer(db, seals, retention_days=settings.audit_retention_days),
            resources=resources,
            tenants=Tenants(db, resources, mail, throttle, settings.pages_url),
            history=History(db, resources),
            explain=Explanations(db, resources),
            tombstones=Tombstones(db),
            records=Records(db),
            feed=feed,
            webhooks=Webhooks(db, encryption, outbounds),
            admins=Admins(db, feed, mail, throttle, settings.pages_url),
            worker=Worker(
                db,
                feed,
                Deliveries(db, encryption, outbounds),
                chores=(
                    signing_keys.rotate_when_due,
                    oauth.forget_expired,
                    email_addresses.forget_expired,
                    rate_exchange.forget_old,
                ),
            ),
        )
