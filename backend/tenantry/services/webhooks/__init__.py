"""Webhooks: who is told, of what, and that it arrives.

They read the change log: nothing that they tell of knows of them.
"""
