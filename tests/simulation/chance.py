"""One seed for everything that is random: streams by name, and the sources that the product reads.

A stream of its own for each purpose, so that one more question to one of them changes nothing in the others.
"""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class Chance:
    """All randomness of one world."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def stream(self, name: str) -> random.Random:
        """A source of its own; the same for the same seed and name, whatever else was asked."""
        return random.Random(f"{self.seed}/{name}")

    def key(self, name: str) -> Ed25519PrivateKey:
        """A private key, the same for the same seed and name."""
        return Ed25519PrivateKey.from_private_bytes(self.stream(f"key {name}").randbytes(32))

    @contextmanager
    def product(self) -> Iterator[None]:
        """Put what the product's code draws from (`secrets`, `random`, `os.urandom`) on this seed meanwhile."""
        source = self.stream("product")
        known = cast("Any", random)._urandom
        state, urandom = random.getstate(), os.urandom
        random.seed(f"{self.seed}/random")
        cast("Any", random)._urandom = os.urandom = source.randbytes
        try:
            yield
        finally:
            cast("Any", random)._urandom, os.urandom = known, urandom
            random.setstate(state)


class Ids:
    """Ids as `hub.storage.opening.time_ordered_id` makes them: ascending, but counted instead of timed."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, prefix: str) -> str:
        """Return a fresh id."""
        self._count += 1
        return f"{prefix}_{self._count:032x}"
