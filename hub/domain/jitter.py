"""A share of 0 to 1 for back-offs, out of an id: ids are random where the hub makes them, and seeded in simulations."""

_DIGITS = 8


def share(unique_id: str) -> float:
    """A number of 0 to 1, by the last random digits of an id such as ``tx.new_id("jit")``."""
    return int(unique_id[-_DIGITS:], 16) / int("f" * _DIGITS, 16)
