"""A Plan in the cluster: its record in the API, and the tenants on it that a change is told to.

``reconcile`` is all there is: a Plan owns nothing in the cluster.
Only ``controller`` imports it.
"""
