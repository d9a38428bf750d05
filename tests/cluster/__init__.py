"""The real parts that tests run against: a Kubernetes control plane, a whole node, and MySQL-protocol servers.

Everything is built or installed from package registries and kept in the user's cache by version. It is started on
loopback, the node in namespaces of its own.
Only the standard library is imported, so that these files work before the project's environment exists.
Never here: anything of `tenantry` itself, and fixtures (they are in `tests/support/cluster.py`).
"""
