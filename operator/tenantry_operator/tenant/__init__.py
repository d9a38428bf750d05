"""A Tenant in the cluster: one file for each thing that it owns, whose ``desired()`` is pure, and one that orders them.

``reconcile`` is what the work queue calls. Never here: kopf, and knowledge of how the API keeps its records.
"""
