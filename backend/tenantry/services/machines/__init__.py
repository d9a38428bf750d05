"""How programs prove who they are: API keys, service accounts, and workloads of clusters.

Nothing here knows of accounts or of OAuth; both may use what is here.
"""
