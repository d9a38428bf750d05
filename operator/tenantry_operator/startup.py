"""How kopf is set up: it tells events and nothing else.

No state of kopf's is kept on our objects, and it knows no finalizer of ours: ``finalizer`` keeps that one, because
kopf's worker of an object hands on no further event while an ``on.delete`` handler of it runs.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import kopf

from tenantry_operator.cache import CHILDREN, TENANT_LABEL


class NoDiffBase(kopf.DiffBaseStorage):
    """Remembers no last state: nobody asks for differences."""

    def build(self, *, body: kopf.Body, extra_fields: Iterable[Any] | None = None) -> kopf.BodyEssence:
        """Nothing, instead of a deep copy of every object at every event."""
        del body, extra_fields
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        """Nothing."""
        del body
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Nowhere."""
        del body, patch, essence


class _Terse(logging.Filter):
    """Takes out what kopf adds to each record about itself: all of its settings."""

    def filter(self, record: logging.LogRecord) -> bool:
        for name in ("settings", "k8s_skip"):
            record.__dict__.pop(name, None)
        return True


def quieten() -> None:
    """Let kopf tell what is wrong, not that an event was seen; all of it at level debug."""
    root = logging.getLogger("kopf")
    root.setLevel(logging.DEBUG if logging.root.level == logging.DEBUG else logging.WARNING)
    logging.getLogger("kopf.objects").addFilter(_Terse())


def configure(settings: kopf.OperatorSettings) -> None:
    """Set kopf up."""
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix="operator.tenantry.dev", v1=False)
    settings.persistence.finalizer = "operator.tenantry.dev/unused"
    settings.posting.enabled = False
    settings.scanning.disabled = True  # would need to list and watch all CRDs
    settings.queueing.idle_timeout = 0.1  # each object's worker is a task; a cold start has one for every object
    settings.process.ultimate_exiting_timeout = None
    for resource in CHILDREN:
        settings.watching.label_selectors["", resource.api_version, resource.plural] = TENANT_LABEL
