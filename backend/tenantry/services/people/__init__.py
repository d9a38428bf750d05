"""People: how they come, sign in, prove what is theirs, belong to tenants, and leave.

Nothing here speaks with identity providers or OAuth clients; what people have there is ended by
``services/withdrawal.py``.
"""
