"""Rows to model objects and back; nothing here decides anything.

``db.py`` runs synchronous functions on threads that each own a connection; every other module is named after the
rows it keeps, and its functions take the :class:`~tenantry.storage.unit.Unit` that such a function gets.
No HTTP, no permissions, no validation, and no row leaves this package: model objects and small frozen types do.
Services import it; nothing else does, and only this package imports peewee and pymysql.
"""
