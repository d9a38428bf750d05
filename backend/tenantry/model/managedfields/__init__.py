"""Server-side apply (KEP 555): who owns which field of an object, and what a write does to it.

``ownership`` is the door: :func:`~.ownership.update` after any ordinary write, :func:`~.ownership.apply` for an apply
patch. The rest is structured-merge-diff v6 in Python, one file per idea: path elements, sets of fields, the typed
schema, and over it the walks that validate, compare, merge and remove. Pure: objects and the time are parameters.
"""
