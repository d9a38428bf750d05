"""Signing keys for tests: to make one takes longer than most tests, so a worker makes a few and uses them in turn.

Those of one test are all different.
"""

from collections.abc import Iterator
from threading import Lock

import pytest
from joserfc.jwk import ECKey, RSAKey

from tenantry.services.oauth import signing_keys

#: of each algorithm; more than any test needs
KEYS = 16


@pytest.fixture(scope="session", autouse=True)
def reused_signing_keys() -> Iterator[None]:
    """Let servers in this process sign with keys that those of tests before have had."""
    make, lock = signing_keys._generate, Lock()  # servers make theirs in threads
    made: dict[str, list[RSAKey | ECKey]] = {}

    def take(alg: str) -> RSAKey | ECKey:
        with lock:
            keys = made.setdefault(alg, [])
            keys.append(keys.pop(0) if len(keys) == KEYS else make(alg))
            return keys[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signing_keys, "_generate", take)
        yield
