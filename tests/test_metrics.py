"""The pages of metrics, of the server and of the operator: what is declared, and nothing else of ours."""

import re
from types import ModuleType

import pytest
from prometheus_client.exposition import choose_encoder

from tenantry import metrics as server
from tenantry_operator import metrics as operator

#: of prometheus_client's own collectors, by the first word of their names
STANDARD = ("process", "python")
FORMATS = {"Prometheus": "text/plain", "OpenMetrics": "application/openmetrics-text; version=1.0.0"}


@pytest.mark.parametrize("accept", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("metrics", [server, operator], ids=["server", "operator"])
async def test_a_page_shows_exactly_what_is_declared(metrics: ModuleType, accept: str) -> None:
    encode, _ = choose_encoder(accept)  # as the server does: in an event loop, whose time the ages of work go by
    page = encode(metrics.REGISTRY).decode()
    families = re.findall(r"^# TYPE (\w+) (\w+)$", page, re.MULTILINE)
    shown = {name for name, _ in families if name.partition("_")[0] not in STANDARD}
    stem = re.compile(r"_(total|info)$")  # OpenMetrics names a family without it
    assert {stem.sub("", name) for name in shown} == {stem.sub("", metric.name) for metric in metrics.METRICS}
    assert "_created" not in page
