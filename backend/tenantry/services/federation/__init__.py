"""Signing in with identity providers: which there are, what is said to them, and what of theirs is believed.

Rests on ``people``, whose accounts and sessions it begins; nobody below knows that there are other ways in than a
password.
"""
