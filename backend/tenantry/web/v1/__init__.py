"""The application API below ``/v1``: JSON for programs of ours and of others, as the OpenAPI document tells it.

Every module is a noun below ``/v1``; ``conventions.py`` has what they do the same way. It may link to pages,
and knows nothing of the other doors.
"""
