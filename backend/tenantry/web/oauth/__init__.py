"""The authorization server: OAuth 2 and OpenID Connect for browsers and programs, on Authlib's server classes.

Authlib is synchronous and knows no aiohttp: a request is read here, the whole call is made with what was read (in one
transaction, where it writes), and its answer is rendered here. Tokens are signed after the commit. Only this package
imports Authlib; what it is known to get wrong is put right here, each with a test.
"""
