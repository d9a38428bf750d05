"""The container engine that builds and runs images for tests, and images that stand in for those of a registry.

The engine is Debian's Docker in namespaces of its own; nothing is pulled. As in `tests/cluster/`, on which this builds,
only the standard library is imported.
Never here: anything of `tenantry` itself, and fixtures (they are in `tests/support/cluster.py`).
"""
