"""Use cases: authorise the actor, check rules, one transaction, audit row, event.

A service takes an :class:`~tenantry.model.identity.Actor` and model objects and returns model objects; it never sees a
request or a row. The web layer, the wiring and the CLI may import it; it imports storage and the model.
"""
