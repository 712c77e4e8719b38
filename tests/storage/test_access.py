"""Rows of access, counters and replays, on both engines."""

import asyncio
from datetime import timedelta

from hub.storage import access, counters, replays
from hub.storage.access import EnrolmentRow, TokenRow
from hub.storage.replays import StoredAnswer
from hub.storage.store import Store, claim
from hub.storage.transaction import Done, Transaction
from tests.storage import seeds
from tests.support.clock import FakeClock

HASH = "a" * 64


def use(tx: Transaction, runner_id: str) -> Done[EnrolmentRow | None]:
    """Use the token up."""
    return Done(access.use_enrolment(tx, HASH, runner_id))


async def test_an_enrolment_token_raced_by_twenty_is_used_once(store: Store) -> None:
    """S1: single use; one guarded UPDATE, whoever comes at the same time."""
    await store.write(seeds.workspace)
    await store.write(seeds.enrolment, HASH)
    answers = await asyncio.gather(*(store.write(use, f"rnr_{n}") for n in range(20)))
    (winner,) = [answer for answer in answers if answer is not None]
    assert {"site": "north"} == winner.labels
    assert answers.index(winner) == int(str(winner.used_by).removeprefix("rnr_"))
    assert None is await store.write(use, "rnr_later")


async def test_an_enrolment_token_ends_with_its_time(store: Store, clock: FakeClock) -> None:
    """S1: 10 minutes; at its end it is dead, by the store's clock."""
    await store.write(seeds.workspace)
    await store.write(seeds.enrolment, HASH)
    clock.advance(600)
    assert None is await store.write(use, "rnr_1")


async def test_a_counter_gives_each_number_once_and_without_holes(store: Store) -> None:
    """Task numbers are small integers; a transaction that rolls back gives its number back."""
    await store.write(seeds.workspace)

    @claim
    def take(tx: Transaction) -> Done[int]:
        return Done(counters.take_number(tx, seeds.WORKSPACE, "task"))

    @claim
    def take_and_fail(tx: Transaction) -> Done[int]:
        raise RuntimeError(counters.take_number(tx, seeds.WORKSPACE, "task"))

    calls = [store.write(take_and_fail if n % 3 == 1 else take) for n in range(30)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    numbers = [answer for answer in answers if isinstance(answer, int)]
    assert list(range(1, 21)) == sorted(numbers)


async def test_tokens_are_found_by_hash_and_login_and_revoked_with_their_children(
    store: Store, clock: FakeClock
) -> None:
    """S34: only hashes are stored; revoking a key ends the access tokens that it was exchanged for."""
    await store.write(seeds.workspace)

    def make(tx: Transaction) -> Done[list[bool]]:
        row = {"workspace_id": seeds.WORKSPACE, "name": "ci", "role": "operator", "created_at": tx.now}
        key = TokenRow(id="key_1", secret_hash="h1", kind="key", login="ci@one", **row)  # type: ignore[arg-type]
        child = TokenRow(id="key_2", secret_hash="h2", kind="access", parent_id="key_1", **row)  # type: ignore[arg-type]
        taken = TokenRow(id="key_3", secret_hash="h3", kind="key", login="ci@one", **row)  # type: ignore[arg-type]
        return Done([access.insert_token(tx, one) for one in (key, child, taken)])

    def touch(tx: Transaction) -> Done[None]:
        access.touch_token(tx, seeds.WORKSPACE, "key_1")
        return Done(None)

    def revoke(tx: Transaction, workspace_id: str) -> Done[bool]:
        return Done(access.revoke_token(tx, workspace_id, "key_1"))

    # given a key, its access token, and a second key that wants the same login
    assert [True, True, False] == await store.write(make)
    clock.advance(5)
    await store.write(touch)
    found = await store.read(access.token_by_login, "ci@one")
    assert found is not None
    assert (clock.now(), None) == (found.last_used_at, found.revoked_at)
    # when another workspace, then its own revokes it
    assert not await store.write(revoke, seeds.OTHER)
    assert await store.write(revoke, seeds.WORKSPACE)
    assert not await store.write(revoke, seeds.WORKSPACE)
    # then both are revoked, and the listing of keys leaves access tokens out
    for secret in ("h1", "h2"):
        token = await store.read(access.token_by_hash, secret)
        assert token is not None
        assert clock.now() == token.revoked_at
    assert ["key_1"] == [key.id for key in await store.read(access.key_page, seeds.WORKSPACE, "", 10)]
    assert [] == await store.read(access.key_page, seeds.OTHER, "", 10)


async def test_workspaces_have_unique_labels_and_come_in_pages(store: Store) -> None:
    """A label is taken once; pages go by key."""
    for name in ("wsp_b", "wsp_a", "wsp_c", "wsp_a"):
        await store.write(seeds.workspace, name)
    assert ["wsp_b", "wsp_c"] == [one.label for one in await store.read(access.workspace_page, "wsp_a", 10)]
    found = await store.read(access.workspace_by_label, "wsp_a")
    assert found == await store.read(access.workspace, "wsp_a")
    assert None is await store.read(access.workspace_by_label, "none")


async def test_a_key_of_the_gateway_is_answered_once(store: Store, clock: FakeClock) -> None:
    """core.md §6: (workspace, execution, key) has one stored answer, written with the effect; kept 1 h."""
    await store.write(seeds.work)

    def execution(tx: Transaction) -> Done[None]:
        return seeds.execution(tx, "exe_1", fence=1)

    def keep(tx: Transaction, body: bytes) -> Done[bool]:
        answer = StoredAnswer(mac=b"m", status=200, body=body)
        return Done(replays.keep_answer(tx, seeds.WORKSPACE, "exe_1", "key-1", answer))

    def forget(tx: Transaction) -> Done[int]:
        return Done(replays.forget_answers(tx, tx.now - timedelta(hours=1)))

    await store.write(execution)
    kept = await asyncio.gather(*(store.write(keep, b"%d" % n) for n in range(5)))
    assert 1 == kept.count(True)
    found = await store.read(replays.find_answer, seeds.WORKSPACE, "exe_1", "key-1")
    assert StoredAnswer(mac=b"m", status=200, body=b"%d" % kept.index(True)) == found
    assert None is await store.read(replays.find_answer, seeds.OTHER, "exe_1", "key-1")
    clock.advance(3600)
    assert 0 == await store.write(forget)
    clock.advance(1)
    assert 1 == await store.write(forget)
    assert None is await store.read(replays.find_answer, seeds.WORKSPACE, "exe_1", "key-1")
