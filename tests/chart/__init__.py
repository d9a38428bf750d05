"""The Helm chart and what is made of it.

`python -m tests.chart.generate` writes `k8s/base/` and the generated parts of the chart, as `make generate` does.
Never here: what a template decides; the tests look at what Helm renders.
"""
