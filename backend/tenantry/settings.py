"""The settings: one tree, read once from the environment, wrong ones named in one line.

Everything is an environment variable with the prefix ``TENANTRY_``; the field descriptions are what
docs/reference/settings.md says about them.
"""

from __future__ import annotations

import difflib
import errno
import json
import os
import re
import ssl
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_network
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote, urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from tenantry.addresses import (
    LOOPBACK,
    MySQLAddress,
    Network,
    SMTPAddress,
    is_loopback,
    read_database_url,
    read_host_or_network,
    read_origin,
    read_smtp_url,
)
from tenantry.model import providers
from tenantry.model.permissions import SCOPES
from tenantry.model.resource import API

PREFIX = "TENANTRY_"
Port = Annotated[int, Field(ge=0, le=65535)]

#: what Kubernetes puts into a pod's environment for a Service named ``tenantry``, and what commands that talk to a
#: server, the operator and Compose read
_OF_OTHERS = re.compile(
    r"TENANTRY_(SERVICE_(HOST|PORT\w*)|PORT_\d+_(TCP|UDP)\w*|SERVER|TOKEN|CA_FILE|CLUSTER|API_\w+|DEV_\w+)"
)


class WrongSettingError(Exception):
    """A setting that stops the start; its text is one line that names the variable and says what is wrong."""


class PortError(Exception):
    """A port that cannot be listened on; its text is one line that says which and why.

    Args:
        variable: the setting, without its prefix.
        host: the address that was tried.
        port: the port that was tried.
        error: what the system said.
    """

    def __init__(self, variable: str, host: str, port: int, error: OSError) -> None:
        code = error.errno or 0
        why = os.strerror(code) if code > 0 else error.strerror  # a resolver's codes are negative
        reason = "is in use by another process" if code == errno.EADDRINUSE else f"cannot be used: {why}"
        super().__init__(f"{PREFIX}{variable}: port {port} on {host} {reason}")


class Cluster(BaseModel):
    """One Kubernetes cluster whose ServiceAccount tokens are accepted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$", description="Registered name of the cluster.")
    jwks: dict[str, Any] | None = Field(default=None, description="Its key set, inline.")
    jwks_file: Path | None = Field(default=None, description="File with its key set; read again when it changes.")
    jwks_url: str | None = Field(
        default=None, pattern=r"^https://", description="Where its key set is read, over verified TLS."
    )
    ca_file: Path | None = Field(default=None, description="CA that signed the certificate of `jwks_url`.")
    token_file: Path | None = Field(
        default=None,
        description="Bearer token to send to `jwks_url` and `token_review_url`: one of the cluster's ServiceAccount "
        "tokens.",
    )
    token_review_url: str | None = Field(
        default=None,
        pattern=r"^https://",
        description="Where the cluster is asked too whether a token is good: `https://SERVER/apis/"
        "authentication.k8s.io/v1/tokenreviews`, with the right to create `tokenreviews` (`system:auth-delegator`). "
        "What it said is believed for 10 s.",
    )
    issuer: str = Field(
        default="",
        validate_default=True,
        description="`iss` of its tokens, that of `token_file` when empty; several clusters may share one.",
    )
    subjects: dict[Annotated[str, Field(pattern=r"^system:serviceaccount:[^:]+:[^:]+$")], tuple[str, ...]] = Field(
        description="Exact subject (`system:serviceaccount:<namespace>:<name>`) to its scopes."
    )

    @field_validator("name")
    @classmethod
    def _is_no_owner(cls, name: str) -> str:
        if name == API:
            raise ValueError(f"{API} is who manages what no cluster does; choose another name")
        return name

    @field_validator("issuer")
    @classmethod
    def _is_known(cls, issuer: str, info: ValidationInfo) -> str:
        if issuer:
            return issuer
        if not info.data.get("token_file"):
            raise ValueError("must be given, or else token_file")
        return _issuer_of(info.data["token_file"])

    @model_validator(mode="after")
    def _has_one_key_set(self) -> Self:
        if sum(source is not None for source in (self.jwks, self.jwks_file, self.jwks_url)) != 1:
            raise ValueError("exactly one of jwks, jwks_file and jwks_url must be given")
        if self.token_review_url and not self.token_file:
            raise ValueError("token_review_url needs token_file")
        return self

    @field_validator("subjects")
    @classmethod
    def _has_known_scopes(cls, subjects: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        unknown = sorted({scope for scopes in subjects.values() for scope in scopes} - SCOPES.keys())
        if unknown:
            raise ValueError(f"there is no scope {unknown[0]}; scopes are {', '.join(SCOPES)}")
        return subjects


class IdentityProvider(BaseModel):
    """One OpenID Connect provider with which people may sign in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=providers.NAME, description="Its name in URLs.")
    display_name: str = Field(min_length=1, max_length=100, description="Its name on the button.")
    issuer: str = Field(min_length=1, max_length=512, description="Exactly as its discovery document has it.")
    client_id: str = Field(min_length=1, max_length=255, description="As which it knows us.")
    client_secret_file: Path | None = Field(
        default=None, description="File with the client's secret; read at each use. None for a public client."
    )
    scopes: tuple[Annotated[str, Field(pattern=providers.SCOPE)], ...] = Field(
        default=providers.SCOPES, description="What is asked for; openid must be among them."
    )
    email_domains: tuple[Annotated[str, Field(pattern=providers.DOMAIN)], ...] = Field(
        default=(), description="With any, only who has a verified address there may sign in."
    )
    auto_provision: bool = Field(
        default=False, description="Whether whoever signs in there first, with a verified address, becomes a user."
    )

    @field_validator("client_secret_file")
    @classmethod
    def _can_be_read(cls, value: Path | None) -> Path | None:
        return None if value is None else readable(value)

    @field_validator("scopes")
    @classmethod
    def _has_openid(cls, scopes: tuple[str, ...]) -> tuple[str, ...]:
        if "openid" not in scopes:
            raise ValueError("must have openid")
        return scopes


class Settings(BaseSettings):
    """All settings of the server."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True)

    host: str = Field(
        default="127.0.0.1", description="Address to listen on; any but a loopback address needs EXTERNAL_URL."
    )
    port: Port = Field(default=8080, description="Port for plain HTTP; 0 takes a free one.")
    tls_port: Port = Field(
        default=8443, description="Port for HTTPS, where a certificate is configured or loopback has made one."
    )
    ops_port: Port = Field(
        default=9090, description="Port for `/metrics`, `/livez`, `/readyz` and `/startupz`; never on the ingress."
    )
    data_dir: Path = Field(
        default=Path(".tenantry"),
        description="Directory for the SQLite database, the local CA, the administrator's key and the kubeconfig.",
    )
    database_url: SecretStr = Field(
        default=SecretStr(""),
        description="`mysql://user:password@host:3306/database?ssl-ca=FILE` (without ssl-ca no TLS) or "
        "`sqlite:///path` (with four slashes an absolute one); SQLite in DATA_DIR when empty.",
    )
    database_password_file: Path | None = Field(
        default=None, description="File with the database password, instead of one in DATABASE_URL."
    )
    key_file: Path | None = Field(
        default=None,
        description="File with the key that encrypts secrets in the database: 32 random bytes in base64, one line; "
        "further lines are older keys. On loopback one is made in DATA_DIR. A server with the key of another "
        "database does not start; where its own is lost, `tenantry admin signing-keys drop-active` lets a new one in.",
    )
    signing_algorithm: Literal["RS256", "ES256"] = Field(
        default="RS256",
        description="What tokens are signed with; a change makes a new key, which signs after 15 minutes.",
    )
    audit_retention_days: int = Field(
        default=400, ge=0, description="Days that rows of the audit log are kept; 0 for ever."
    )
    external_url: str = Field(
        default="",
        description="URL under which clients reach the server, with its path prefix; https unless on loopback.",
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Further host names that requests may name, comma-separated, such as the Service's in the cluster.",
    )
    cors_origins: Annotated[frozenset[str], NoDecode] = Field(
        default=frozenset(),
        description="Origins of other sites whose scripts may call the API, also with a session's cookie, "
        "comma-separated, such as `https://app.example.com`; never one where tenants put content.",
    )
    rate_limit: int = Field(
        default=200,
        ge=0,
        le=100_000,
        description="Requests a second that one credential may make, ten times as many at once; 0 for any number. An "
        "operator's may make twenty times as many. A plan limits the credentials of a tenant together.",
    )
    rate_limit_anonymous: int = Field(
        default=20,
        ge=0,
        le=100_000,
        description="The same for requests without a valid credential, by address (IPv6: by /64): behind a proxy, set "
        "TRUSTED_PROXIES.",
    )
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode] = Field(
        default=(), description="Networks of proxies whose `X-Forwarded-For` is believed, comma-separated CIDRs."
    )
    sign_up: Literal["Open", "InviteOnly", "Closed"] = Field(
        default="InviteOnly",
        description="Who may make a tenant of their own, at `POST /v1/tenants` or on the account's page: `Open`, "
        "everybody who has an account, which anybody makes at `/sign-up` then, or by coming from an identity provider; "
        "`InviteOnly`, who became a member somewhere by an invite; `Closed`, nobody. Platform administrators always "
        "may.",
    )
    sign_up_plan: str = Field(
        default="free",
        min_length=1,
        max_length=63,
        description="The plan of a tenant that somebody makes for themselves.",
    )
    second_factor: Literal["Optional", "Administrators", "Everybody"] = Field(
        default="Optional",
        description="Who must have a second factor beside their password: `Optional`, nobody; `Administrators`, "
        "administrators of the platform, and owners and administrators of a tenant while they act in it; `Everybody`. "
        "Who has signed in without one is led to turn it on, and may do nothing else; except on loopback it takes "
        "KEY_FILE. An identity provider whose `amr` says `mfa` has asked for one.",
    )
    clusters: tuple[Cluster, ...] = Field(
        default=(),
        description="Kubernetes clusters whose ServiceAccount tokens are accepted, a JSON list of objects with name, "
        "issuer, one of jwks, jwks_file and jwks_url (with ca_file and token_file), subjects, and token_review_url "
        "where the cluster is to be asked too whether a token is good.",
    )
    providers: tuple[IdentityProvider, ...] = Field(
        default=(),
        description="OpenID Connect providers with which people may sign in, a JSON list of objects with name, "
        "display_name, issuer, client_id, client_secret_file, scopes, email_domains and auto_provision.",
    )
    outbound_allow: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Host names and CIDRs that identity providers and the platform's webhooks may be at though "
        "they are not public, comma-separated; to them plain HTTP is allowed.",
    )
    outbound_allow_tenants: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="The same for webhooks of tenants, whose administrators choose the address and may read the "
        "beginning of the answer: name receivers, not networks. OUTBOUND_ALLOW does not count for them.",
    )
    tls_cert_file: Path | None = Field(default=None, description="Certificate chain for HTTPS; read again on change.")
    tls_key_file: Path | None = Field(default=None, description="Private key of TLS_CERT_FILE.")
    smtp_url: SecretStr = Field(
        default=SecretStr(""),
        description="Server to send mail by: `smtp://user:password@host:587` with STARTTLS, `smtps://user@host:465` "
        "with TLS from the start, `smtp+plain://host:25` without; no mail is sent when empty.",
    )
    smtp_password_file: Path | None = Field(
        default=None, description="File with the password for SMTP, instead of one in SMTP_URL."
    )
    smtp_ca_file: Path | None = Field(
        default=None, description="CA that signed the SMTP server's certificate; those of the system when not given."
    )
    smtp_from: str = Field(
        default="", description="Sender of mails, such as `Tenantry <tenantry@example.com>`; needed with SMTP_URL."
    )
    drain_seconds: float = Field(
        default=0, ge=0, le=300, description="How long readiness fails before the listeners close at shutdown."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level that is logged."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment alone: to look for files that there are none of takes half the time of a start's settings."""
        return init_settings, env_settings

    @field_validator("allowed_hosts", "outbound_allow", "outbound_allow_tenants", mode="before")
    @classmethod
    def _split_hosts(cls, value: object) -> object:
        return _split(value) if isinstance(value, str) else value

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split_origins(cls, value: object) -> object:
        return frozenset(map(read_origin, _split(value))) if isinstance(value, str) else value

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _split_networks(cls, value: object) -> object:
        return tuple(map(ip_network, _split(value))) if isinstance(value, str) else value

    @field_validator("outbound_allow", "outbound_allow_tenants")
    @classmethod
    def _is_host_or_network(cls, items: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(read_host_or_network, items))

    @field_validator("port", mode="before")
    @classmethod
    def _is_no_service_link(cls, value: object) -> object:
        if isinstance(value, str) and value.startswith(("tcp://", "udp://")):
            raise ValueError("Kubernetes set it for a Service named tenantry; set enableServiceLinks: false in the pod")
        return value

    @field_validator("external_url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment):
            raise ValueError("must be a URL such as https://tenantry.example.com")
        if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            raise ValueError("must begin with https:// unless its host is loopback")
        return value.rstrip("/")

    @field_validator("database_url")
    @classmethod
    def _is_database_url(cls, value: SecretStr) -> SecretStr:
        at = read_database_url(url) if (url := value.get_secret_value()) else None
        if isinstance(at, MySQLAddress) and at.ssl_ca:
            try:
                ssl.create_default_context(cafile=at.ssl_ca)
            except OSError as error:  # ssl.SSLError is one
                raise ValueError(f"ssl-ca={at.ssl_ca} holds no CA certificate that can be read: {error}") from None
        return value

    @field_validator("database_password_file", "key_file", "tls_cert_file", "tls_key_file")
    @classmethod
    def _can_be_read(cls, value: Path | None) -> Path | None:
        return None if value is None else readable(value)

    @field_validator("database_password_file")
    @classmethod
    def _holds_text(cls, value: Path | None) -> Path | None:
        try:
            if value is not None:
                value.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise ValueError(f"{value} holds no text in UTF-8") from None
        return value

    @field_validator("providers")
    @classmethod
    def _have_names(cls, found: tuple[IdentityProvider, ...]) -> tuple[IdentityProvider, ...]:
        if len({provider.name for provider in found}) != len(found):
            raise ValueError("two providers have the same name")
        return found

    @field_validator("smtp_url")
    @classmethod
    def _is_smtp_url(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value():
            read_smtp_url(value.get_secret_value())
        return value

    @field_validator("smtp_from")
    @classmethod
    def _is_sender(cls, value: str) -> str:
        if value and not re.fullmatch(r"[^@<>\s]+@[^@<>\s]+|[^@<>\r\n]*<[^@<>\s]+@[^@<>\s]+>", value):
            raise ValueError("must be an address such as Tenantry <tenantry@example.com>")
        return value

    @field_validator("clusters")
    @classmethod
    def _is_consistent(cls, clusters: tuple[Cluster, ...]) -> tuple[Cluster, ...]:
        names = [cluster.name for cluster in clusters]
        if len(set(names)) != len(names):
            raise ValueError("two clusters have the same name")
        return clusters

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        wrong = []
        if not self.on_loopback and not self.external_url:
            wrong.append(f"EXTERNAL_URL: must be set, because HOST={self.host} is not loopback")
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            missing = "TLS_CERT_FILE" if self.tls_cert_file is None else "TLS_KEY_FILE"
            wrong.append(f"{missing}: must be set too")
        if self.smtp_url.get_secret_value() and not self.smtp_from:
            wrong.append("SMTP_FROM: must be set too")
        if self.second_factor != "Optional" and not self.on_loopback and self.key_file is None:
            demanded = f"TENANTRY_SECOND_FACTOR={self.second_factor} asks for what only a server with a key can keep"
            wrong.append(f"KEY_FILE: must be set, because {demanded}")
        ports = {"PORT": self.port, "OPS_PORT": self.ops_port}
        if self.on_loopback or self.tls_cert_file:
            ports["TLS_PORT"] = self.tls_port
        for (name, port), (other, same) in combinations(ports.items(), 2):
            if port == same != 0:
                wrong.append(f"{other}: is {port} as TENANTRY_{name} is: each listens on one of its own")
        if wrong:
            raise ValueError(f"; {PREFIX}".join(wrong))
        return self

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_loopback(self.host)

    @property
    def issuer(self) -> str:
        """Who issues our tokens: the ``iss`` of each, and the prefix of the addresses of every OAuth endpoint."""
        return self.external_url or f"https://localhost:{self.tls_port}"

    @property
    def pages_url(self) -> str:
        """Where people open our pages; on a laptop over plain HTTP, since browsers do not know its CA."""
        return self.external_url or f"http://localhost:{self.port}"

    @property
    def smtp(self) -> SMTPAddress | None:
        """The server to send mail by, with its password; None for no mail."""
        url = self.smtp_url.get_secret_value()
        if not url:
            return None
        at = replace(read_smtp_url(url), ca_file=str(self.smtp_ca_file or ""))
        if self.smtp_password_file is None:
            return at
        return replace(at, password=self.smtp_password_file.read_text(encoding="utf-8").rstrip("\n"))

    @property
    def database(self) -> str:
        """The database's URL, with its password."""
        url = self.database_url.get_secret_value() or f"sqlite:///{quote(str(self.data_dir))}/tenantry.db"
        if self.database_password_file is None:
            return url
        password = quote(self.database_password_file.read_text(encoding="utf-8").rstrip("\n"), safe="")
        return re.sub(r"^(\w+://[^:/@]*)(:[^/@]*)?@", lambda match: f"{match[1]}:{password}@", url, count=1)

    @property
    def hosts(self) -> frozenset[str]:
        """Host names that a request may be addressed to, in lower case and without ports."""
        external = urlsplit(self.external_url).hostname
        return frozenset({*LOOPBACK, *map(str.lower, self.allowed_hosts), *([external] if external else [])})


def _split(text: str) -> tuple[str, ...]:
    return tuple(filter(None, map(str.strip, text.split(","))))


def _issuer_of(token_file: Path) -> str:
    """The ``iss`` of the ServiceAccount token in a file: the kubelet put it there, so there is nothing to verify."""
    try:
        payload = token_file.read_text(encoding="ascii").split(".")[1]
        issuer = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["iss"]
    except OSError as error:
        raise ValueError(f"cannot read {token_file}: {error.strerror}") from None
    except (ValueError, LookupError, TypeError):
        issuer = None
    if not isinstance(issuer, str) or not issuer:
        raise ValueError(f"{token_file} holds no ServiceAccount token that tells it")
    return issuer


def readable(path: Path) -> Path:
    """The path of a file that can be read.

    Raises:
        ValueError: it cannot, and why.
    """
    try:
        with path.open("rb"):
            return path
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings that the environment gives.

    Raises:
        WrongSettingError: one of them is wrong, or a variable looks like one of them and is none.
    """
    _refuse_misspelt(os.environ if environment is None else environment)
    try:
        return Settings()
    except ValidationError as error:
        raise WrongSettingError(_explain(error)) from None
    except SettingsError as error:
        field = re.search(r'field "(\w+)"', str(error))
        raise WrongSettingError(f"{PREFIX}{(field[1] if field else '').upper()}: is not valid JSON") from None


def _refuse_misspelt(environment: Mapping[str, str]) -> None:
    known = [PREFIX + name.upper() for name in Settings.model_fields]
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in known and not _OF_OTHERS.fullmatch(name):
            near = difflib.get_close_matches(name, known, 3, 0.83)
            if near and not environment[name].startswith("tcp://"):  # as Kubernetes has it of a Service beside ours
                raise WrongSettingError(f"{name}: there is no such setting; did you mean {' or '.join(near)}?")


def _explain(error: ValidationError) -> str:
    """All that is wrong, in one line; never the values, which may be secrets."""
    return "; ".join(map(_told, error.errors(include_url=False, include_input=False)))


def _told(details: ErrorDetails) -> str:
    message = details["msg"].removeprefix("Value error, ")
    if message is details["msg"]:  # pydantic's own begin with a capital letter
        message = message[:1].lower() + message[1:]
    if not details["loc"]:  # a rule across settings, which names its own
        return PREFIX + message
    variable, *inside = details["loc"]
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in inside)
    return f"{PREFIX}{str(variable).upper()}{where}: {message}"


def table() -> str:
    """The settings as a Markdown table."""
    lines = ["| Variable | Default | What it does |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
        shown = f"`{default}`" if default not in (None, "", (), frozenset()) else ""
        lines.append(f"| `{PREFIX}{name.upper()}` | {shown} | {field.description} |")
    return "\n".join(lines) + "\n"
