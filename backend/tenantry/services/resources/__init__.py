"""Plans, Tenants and Configs: written, read, explained, brought back, and told of by clusters.

``candidate.py`` needs no database and ``transactions.py`` no request. Nothing here knows of people, keys or webhooks:
those who must hear of a change read the change log.
"""
