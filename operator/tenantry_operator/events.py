"""Kubernetes Events: what ``kubectl describe`` shows below an object. They are posted on transitions only."""

from __future__ import annotations

import logging
import secrets
from datetime import UTC, datetime

from tenantry_operator.errors import KubeError
from tenantry_operator.kube import EVENTS, Kube
from tenantry_operator.objects import Object

CONTROLLER = "tenantry.dev/operator"
_NOTE = 1024  # bytes that events.k8s.io/v1 takes

logger = logging.getLogger(__name__)


class Recorder:
    """Posts Events in the name of one replica."""

    def __init__(self, kube: Kube, identity: str) -> None:
        self._kube = kube
        self.identity = identity

    async def post(self, obj: Object, *, reason: str, note: str, warning: bool) -> None:
        """Say what happened to an object; that this fails hurts nobody."""
        namespace = obj.key.namespace
        event = {
            "metadata": {"name": f"{obj.key.name}.{secrets.token_hex(8)}"},
            "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "reportingController": CONTROLLER,
            "reportingInstance": self.identity,
            "action": "Reconcile",
            "reason": reason,
            "type": "Warning" if warning else "Normal",
            "note": note.encode()[:_NOTE].decode(errors="ignore"),
            "regarding": {
                "apiVersion": obj.resource.api_version,
                "kind": obj.key.kind,
                **obj.identity(),
            },
        }
        try:
            await self._kube.create(EVENTS, event, namespace or "default")
        except KubeError as error:
            logger.warning("no Event for %s %s: %s", obj.key.kind, obj.key.name, error.message)
