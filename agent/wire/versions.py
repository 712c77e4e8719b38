"""Protocol versions: each side says what it can, the hub picks (`reliability.md` P13)."""

PROTOCOL_MIN = 1
PROTOCOL_MAX = 1


def negotiate(own: tuple[int, int], other: tuple[int, int]) -> int | None:
    """The highest version that both ranges (min, max) hold, or None where they do not meet."""
    highest = min(own[1], other[1])
    return highest if highest >= max(own[0], other[0]) else None
