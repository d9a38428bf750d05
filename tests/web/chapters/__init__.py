"""The conversation that `tests/web/test_conversation.py` holds with a kube-apiserver and with our API, in chapters.

A chapter asks both the same and tells of a difference only where it is meant, with its reason. What the documents are
and what is compared of an answer stands in `documents.py`; how it is compared, in `tests/support/conversation.py`.
"""
