"""The operator's settings: read once from the environment, a wrong one named in one line."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from tenantry.settings import PREFIX, WrongSettingError, readable

_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def _own_namespace() -> str:
    return _NAMESPACE.read_text(encoding="ascii").strip() if _NAMESPACE.exists() else "tenantry-system"


class Settings(BaseSettings):
    """All settings of the operator.

    How kube-apiserver is reached is none of them: in a pod its ServiceAccount says it, elsewhere ``KUBECONFIG``.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, env_ignore_empty=True)

    api_url: str = Field(pattern=r"^https?://[^/?#]+[^?#]*$", description="Where the API is.")
    api_token_file: Path = Field(
        description="File with the projected ServiceAccount token for the API, of audience `tenantry-api`."
    )
    api_ca_file: Path | None = Field(
        default=None, description="CA that signed the certificate of the API; the system's when empty."
    )
    cluster: str = Field(
        pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$", description="Name under which the API knows this cluster."
    )
    namespace: str = Field(
        default_factory=_own_namespace,
        description="The platform's namespace: the operator's ServiceAccount and Lease are there, and so are global "
        "and plan Configs. The pod's own when empty.",
    )
    leader_election: Literal["Enabled", "Disabled"] = Field(
        default="Enabled", description="Whether replicas agree by a Lease on the one that works."
    )
    host: str = Field(default="127.0.0.1", description="Address of the metrics and the probes.")
    ops_port: Annotated[int, Field(ge=0, le=65535)] = Field(
        default=9090, description="Port for `/metrics`, `/livez`, `/readyz` and `/startupz`; 0 takes a free one."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level that is logged."
    )
    pod_id: str = Field(
        default_factory=socket.gethostname,
        validation_alias="POD_ID",
        description="Name of this replica in the Lease and in Events; without the prefix, because kopf reads it too.",
    )

    @field_validator("api_token_file", "api_ca_file")
    @classmethod
    def _can_be_read(cls, value: Path | None) -> Path | None:
        return None if value is None else readable(value)


def read_settings() -> Settings:
    """The settings that the environment gives.

    Raises:
        WrongSettingError: one of them is missing or wrong.
    """
    try:
        return Settings()
    except ValidationError as error:
        wrong = [
            f"{_variable(str(details['loc'][0]))}: {details['msg'].removeprefix('Value error, ')}"
            for details in error.errors(include_url=False, include_input=False)
        ]
        raise WrongSettingError("; ".join(wrong)) from None


def table() -> str:
    """The settings as a Markdown table."""
    lines = ["| Variable | Default | What it does |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        shown = "" if field.default_factory or field.default is None else f"`{field.default}`"
        shown = "required" if field.is_required() else shown
        lines.append(f"| `{_variable(name)}` | {shown} | {field.description} |")
    return "\n".join(lines) + "\n"


def _variable(name: str) -> str:
    field = Settings.model_fields.get(name)
    return str(field.validation_alias) if field and field.validation_alias else PREFIX + name.upper()
