"""`botyard runner`: what it does, drained, resumed, revoked."""

from tests.support.api_hub import ApiWorld
from tests.support.typed import Typed


async def test_a_runner_is_drained_resumed_and_revoked(world: ApiWorld, typed: Typed) -> None:
    assert b"desk-1: connected (draining)\n" == (await typed("runner", "drain", "desk-1")).out
    assert b"desk-1: connected\n" == (await typed("runner", "resume", "desk-1")).out
    assert (await typed("runner", "show", "desk-1", "--json")).json()["slots"] == 1
    unasked = await typed("runner", "revoke", "desk-1")
    assert (unasked.code, "--yes" in unasked.err) == (2, True)
    assert b"desk-1: revoked\n" == (await typed("runner", "revoke", "desk-1", "--yes")).out
