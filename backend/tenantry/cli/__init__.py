"""The command line: one noun or verb a file, each imported when it is called.

``main`` is the table of contents. Commands that work with the database run in ``local``, those that talk to a server in
``remote``; both end an error in one line and a code of ``exits``. Never here: rules of the product. Nobody imports it.
"""
