"""What the shape of a Config does not refuse, an operator of another version may still be given."""

import pytest

from tenantry.model import placement
from tenantry.model.config import ConfigSpec
from tenantry.model.placement import Home


@pytest.mark.parametrize("part", ["schema", "locks", "rollout", "publish"])
def test_a_tenants_namespace_holds_nothing_that_is_the_platforms(part: str) -> None:
    target = {"to": {"configMap": {"name": "web"}}}
    parts = {"schema": {"type": "object"}, "locks": ["a"], "rollout": {"strategy": "AllAtOnce"}, "publish": target}
    spec = ConfigSpec.model_validate({"configSet": "web", "scope": {"tenant": {"ref": "acme"}}, part: parts[part]})
    found = placement.problem(spec, Home(namespace="acme-prod", tenant="acme", platform="tenantry-system"))
    assert found
    assert found.path == f"spec.{part}"
    assert placement.problem(spec, Home(namespace="tenantry-system", tenant="", platform="tenantry-system")) is None
