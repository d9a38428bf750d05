"""SIGTERM where nobody has anything to finish: before a server serves, and in commands that end by themselves."""

from __future__ import annotations

import os
import signal

from tenantry.exitcodes import Exit


def end_on_sigterm() -> None:
    """Let SIGTERM end this process at once, as it does by default.

    For the first process of a container there is no such default: the kernel drops every signal that it does not
    handle itself. To be called before anything that takes its time, such as imports.
    """
    signal.signal(signal.SIGTERM, lambda *_: os._exit(Exit.TERMINATED))
