"""The audit log: what it says, that it is sealed, and whether it is as it was sealed.

Nothing here knows what the events are about: the package is below all others of the layer.
"""
