"""HTTP: parse a request, call one service, render what it returns.

Every module of routes has a list ``ROUTES`` of :class:`~tenantry.web.routes.Route`; the ``routes.py`` of its package
names it. A handler is a dozen lines and decides nothing. No SQL and no rules here; only the CLI imports this package,
and only this package imports ``aiohttp.web``.
"""
