"""What an audit row tells of a write, computed with the object."""

import orjson

from tenantry.model import ids
from tenantry.model.kinds import CONFIG, Kind
from tenantry.services.resources import candidate
from tenantry.services.resources.candidate import Candidate, Writer

NAMESPACE = "apps"


def _config(**values: object) -> dict[str, object]:
    return {
        "apiVersion": "tenantry.dev/v1alpha1",
        "kind": "Config",
        "metadata": {"name": "web"},
        "spec": {"configSet": "web", "scope": {"global": {}}, "values": values},
    }


def _written(kind: Kind = CONFIG, **values: object) -> Candidate:
    """An object that was made and then replaced by one with other values."""
    writer = Writer(manager="test", now=ids.now_micros())
    made = candidate.create(kind, _config(level=5), NAMESPACE, writer).resource
    document = made.document() | {"spec": _config(**values)["spec"]}
    return candidate.update(kind, document, made, writer)


def test_it_tells_values_as_they_are_stored() -> None:
    new = _written(level=1.0, ratio=1e17)
    told = {each["path"]: each["after"] for each in orjson.loads(new.difference)["changes"]}
    assert told == {"spec.values.level": 1, "spec.values.ratio": 10**17}
    assert not any(isinstance(value, float) for value in told.values())


def test_a_number_written_otherwise_is_no_change() -> None:
    assert _written(level=5.0).unchanged
    assert not _written(level=5.5).unchanged
