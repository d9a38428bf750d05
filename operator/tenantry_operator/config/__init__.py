"""A Config in the cluster: published to the API, with the revision that it got there in its status.

``reconcile`` orders the steps, ``status`` says what came of them. Rendering into ConfigMaps is not here.
Only ``controller`` imports it.
"""
