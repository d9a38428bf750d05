"""What each label of a metric may say: a closed set that the code has, so that no client can make a new series."""

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tenantry import __version__
from tenantry.model.kinds import KINDS
from tenantry.storage import retry
from tenantry.web.app import ROUTES
from tenantry.web.middlewares import UNKNOWN
from tests.worktree import tracked

CODE = r"<error>|[1-5]\d\d"
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
OURS = {kind.name for kind in KINDS}
THEIRS = {"Namespace", "ResourceQuota", "LimitRange"}
#: of prometheus_client's own collectors, and of the buckets of a histogram
STANDARD = ("process_", "python_")
BUCKET = "le"


def _nodes(*patterns: str) -> Iterator[tuple[Path, ast.AST]]:
    """Everything that stands in the files that git knows by those patterns, each with its file."""
    for path in tracked(*patterns):
        for node in ast.walk(ast.parse(path.read_text())):
            yield path, node


def _units() -> set[str]:
    """`module.function` of every function of the server, as a unit of the database is called."""
    found = _nodes("backend/tenantry/*.py")
    return {f"{_within_layer(path)}.{node.name}" for path, node in found if isinstance(node, ast.FunctionDef)}


def _within_layer(path: Path) -> str:
    """`package.module` of a file of the server, without the layer that it is in."""
    _, _, module = ".".join(path.with_suffix("").parts).partition("backend.tenantry.")
    return module.partition(".")[2]


def _conditions() -> set[str]:
    """Every word in the code that can be the type of a condition."""
    found = _nodes("backend/tenantry/model/*.py", "operator/*.py")
    words = {node.value for _, node in found if isinstance(node, ast.Constant)}
    return {word for word in words if isinstance(word, str) and re.fullmatch(r"([A-Z][a-z]+)+", word)}


@cache
def _known() -> dict[str, dict[str, set[str] | str]]:
    """Names of metrics, by a pattern of the shell's -> label -> its values, as a set or by a regular expression."""
    return {
        "tenantry_http_*": {
            "route": {route.path for route in ROUTES} | {UNKNOWN},
            "method": METHODS | {"any"},
            "code": CODE,
        },
        "tenantry_watch*": {"kind": OURS},
        "tenantry_db_*": {
            "unit": _units(),
            "dialect": {"mysql", "sqlite"},
            "lane": {"mysql-read", "mysql-write", "sqlite-read", "sqlite-write", "db-admin"},
            "reason": {"full", "deadline"},
            "code": {str(code) for code in retry.TRANSIENT | retry.LOST},
        },
        "tenantry_authentications*": {
            "method": {"none", "key", "session", "token", "serviceaccount"},
            "outcome": {
                "ok",
                "malformed",
                "unknown",
                "expired",
                "revoked",
                "disabled",
                "address",
                "forged",
                "unavailable",
            },
        },
        "tenantry_sign_ins*": {"outcome": {"ok", "refused"}},
        "tenantry_webhook_attempts*": {"outcome": {"delivered", "refused", "unreachable", "unsigned"}},
        "tenantry_mails*": {"outcome": {"sent", "failed", "dropped"}},
        "tenantry_rate_limited*": {"by": {"credential", "tenant", "address", "form"}},
        "tenantry_*build_info": {"version": {__version__}},
        "workqueue_*": {"name": {"tenantry"}},
        "controller_runtime_*": {
            "controller": {kind.singular for kind in KINDS} | {"cache"},
            "result": {"success", "requeue", "requeue_after", "error"},
        },
        "rest_client_*": {"code": CODE, "method": METHODS, "host": r"[\w.:\[\]-]+"},  # of the one kube-apiserver
        "leader_election_*": {"name": {"tenantry-operator"}},
        "tenantry_tenant_condition*": {"type": _conditions(), "status": {"True", "False", "Unknown"}},
        "tenantry_drift_*": {"kind": THEIRS},
        "tenantry_apply*": {"kind": OURS | THEIRS, "result": {"changed", "unchanged", "failed"}},
    }


def strays(page: str) -> list[str]:
    """The labels of a page of metrics that say what they may not, each with its metric."""
    samples = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
    return [
        f"{sample.name}: {label}={value}"
        for sample in samples
        if not sample.name.startswith(STANDARD)
        for label, value in sample.labels.items()
        if label != BUCKET and not _is_one_of(value, values(sample.name, label))
    ]


def values(metric: str, label: str) -> set[str] | str:
    """What a label of a metric may say; nothing for one that is not known."""
    return next((labels for pattern, labels in _known().items() if fnmatch(metric, pattern)), {}).get(label, set())


def _is_one_of(value: str, known: set[str] | str) -> bool:
    return bool(re.fullmatch(known, value)) if isinstance(known, str) else value in known
