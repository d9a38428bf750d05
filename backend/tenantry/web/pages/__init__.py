"""Pages for people at a browser: sign-in, and all that they see to by themselves.

``rendering.py`` of the layer shows them, from its ``templates/``. They work without any script, and never call the
application API: both call the same services.
"""
