"""What the two sides sign at the start of a connection (`reliability.md` S2, S6). Bytes only: keys live elsewhere."""


def challenge_bytes(*, hub_id: str, runner_nonce: str, nonce: str) -> bytes:
    """Signed by the hub: it is the hub that enrolment pinned, and it is alive now."""
    return _framed("botyard-challenge-1", hub_id, runner_nonce, nonce)


def hello_bytes(  # noqa: PLR0913 - each field that is signed is named once, here
    *,
    hub_id: str,
    origin: str,
    nonce: str,
    runner_id: str,
    home_id: str,
    join: int,
    last_epoch: int,
    fingerprint: str,
) -> bytes:
    """Signed by the runner: this home joins for the ``join``-th time, and means this hub at this address."""
    return _framed(
        "botyard-hello-1", hub_id, origin, nonce, runner_id, home_id, str(join), str(last_epoch), fingerprint
    )


def _framed(*parts: str) -> bytes:
    """Length before each part, so that no two lists of parts read the same."""
    raw = [part.encode() for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in raw)
