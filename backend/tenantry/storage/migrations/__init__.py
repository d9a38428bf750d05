"""How the schema came to be: numbered files, each with one idempotent ``up``, applied once and never edited again.

The hundreds of a number are the release. A file adds (tables, columns, indexes) or fills in batches; what nothing uses
any more is dropped one release later. ``ddl.py`` writes the SQL of both dialects. A file imports no model:
``tables.py`` moves on, history does not. Run by ``storage/schema.py`` only.
"""
