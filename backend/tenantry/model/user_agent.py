"""Which browser on what: what a person recognises of a ``User-Agent``."""

from __future__ import annotations

# the first that matches: browsers claim to be those that came before them, and phones to be what they are built on
_BROWSERS = {
    "Edg": "Edge",
    "OPR": "Opera",
    "Firefox": "Firefox",
    "Chrome": "Chrome",
    "Safari": "Safari",
    "curl": "curl",
}
_SYSTEMS = {
    "Android": "Android",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Windows": "Windows",
    "Mac OS X": "macOS",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}


def describe(user_agent: str) -> str:
    """For example ``Firefox on Windows``."""
    browser = next((name for sign, name in _BROWSERS.items() if sign + "/" in user_agent), "A program")
    system = next((name for sign, name in _SYSTEMS.items() if sign in user_agent), "")
    return f"{browser} on {system}" if system else browser
