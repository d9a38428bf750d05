"""Tenantry: the tenant and configuration control plane.

The layers, each importing only what stands to its right:
``cli -> web -> wiring -> services -> storage -> metrics | settings | logs -> model``, and ``client -> model``.
Nothing here imports ``tenantry_operator``; the contracts in ``pyproject.toml`` are checked with the tests.
"""

__version__ = "0.1.0"
