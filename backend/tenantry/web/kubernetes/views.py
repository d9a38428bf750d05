"""What a watcher sees of the change log: which objects, in which form, as lines of JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from tenantry.model.kinds import Kind
from tenantry.model.resource import API_VERSION, Change, Resource, Verb
from tenantry.model.selectors import EVERYTHING, Selector
from tenantry.services.resources.transactions import is_visible
from tenantry.web.kubernetes import tables
from tenantry.web.kubernetes.negotiation import Form

INITIAL_EVENTS_END = "k8s.io/initial-events-end"


@dataclass(frozen=True, slots=True)
class Scope:
    """Which objects a watcher looks at."""

    kind: Kind
    namespace: str | None = None  # None: all
    labels: Selector = EVERYTHING
    fields: Selector = EVERYTHING
    tenant_id: str = ""  # that the watcher is bound to

    def verb(self, change: Change) -> Verb | None:
        """What the change is to this watcher: leaving a selector is DELETED, entering it is ADDED."""
        if change.kind != self.kind.name or self.namespace not in (None, change.namespace):
            return None
        if not is_visible(self.tenant_id, change):
            return None
        if not self.fields.matches({"metadata.name": change.name, "metadata.namespace": change.namespace}):
            return None
        if not self.labels.requirements:
            return change.verb
        before = change.verb is not Verb.ADDED and self.labels.matches(orjson.loads(change.prev_labels))
        after = change.verb is not Verb.DELETED and self.labels.matches(_labels(change))
        if after:
            return Verb.MODIFIED if before else Verb.ADDED
        return Verb.DELETED if before else None


def _labels(change: Change) -> dict[str, str]:
    labels: dict[str, str] = orjson.loads(change.object)["metadata"].get("labels", {})
    return labels


@dataclass(frozen=True, slots=True)
class View:
    """What a watcher sees of what it looks at."""

    scope: Scope
    form: Form
    include: str  # includeObject of a Table

    def show(self, changes: Iterable[Change]) -> bytes:
        """The lines of ``changes``; empty when none of them is seen."""
        verbs = ((self.scope.verb(change), change) for change in changes)
        return b"".join(line(verb, self._show(change.object)) for verb, change in verbs if verb is not None)

    def show_state(self, items: Iterable[Resource]) -> bytes:
        """The lines of ``items``, which were there before the watch."""
        return b"".join(line(Verb.ADDED, self._show(item.to_json())) for item in items)

    def _show(self, text: str) -> str:
        if self.form is Form.OBJECT:
            return text
        return tables.show(self.scope.kind, orjson.loads(text), self.form, self.include)


def bookmark(kind: Kind, seq: int, *, initial_end: bool = False) -> bytes:
    """The line which tells that everything up to ``seq`` was sent."""
    annotations = {"annotations": {INITIAL_EVENTS_END: "true"}} if initial_end else {}
    shown = {
        "kind": kind.name,
        "apiVersion": API_VERSION,
        "metadata": {"resourceVersion": str(seq), **annotations},
    }
    return line("BOOKMARK", orjson.dumps(shown).decode())


def line(event: str, shown: str) -> bytes:
    """One event; ``shown`` is its object as JSON text."""
    return f'{{"type":"{event}","object":{shown}}}\n'.encode()
