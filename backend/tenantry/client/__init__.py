"""The asynchronous Python client of our own API, over aiohttp: for the operator, the command line, tests and users.

``session`` sends one request and turns every failure into a ``TenantryError``; ``records`` is what a cluster's operator
says to the API; ``resources`` is the API at its Kubernetes paths; ``history`` and ``tenants`` are parts of ``/v1``. It
knows the model and nothing else of the project.
"""
