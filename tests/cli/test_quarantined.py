"""A runner that is kept from work because its machine fails: what people see, and the verb that ends it (issue 5)."""

from hub.services import runners as services
from hub.storage import runners
from hub.storage.transaction import Done, Transaction
from tests.support.api_hub import ApiWorld
from tests.support.typed import Typed

WHY = "5 executions in a row failed by its machine's fault, the last one failed: supervisor_lost"


async def test_why_it_gets_no_work_and_what_ends_that(world: ApiWorld, typed: Typed) -> None:
    """Reason and since when in list and show; `runner resume` ends it, and counts anew."""
    workspace_id = world.admin.workspace_id

    def bench(tx: Transaction) -> Done[None]:
        found = services.show(tx, workspace_id, "desk-1")
        runners.change(tx, workspace_id, found.id, {"benched_at": tx.now, "quarantine_reason": WHY})
        return Done(None)

    await world.store.write(bench)
    listed = await typed("runner", "list")
    assert "quarantined" in listed.out.decode()
    assert f"desk-1 gets no new work: {WHY}; mend the machine, then botyard runner resume desk-1" in listed.err
    shown = (await typed("runner", "show", "desk-1")).out.decode()
    assert WHY in " ".join(shown.split())
    one = (await typed("runner", "show", "desk-1", "--json")).json()
    assert ("quarantined", False, WHY) == (one["state"], one["is_copied"], one["quarantine_reason"])
    assert (True, True) == (one["connected"], one["quarantined_at"] is not None), "its link stands, its bots go on"
    assert 0 == (await typed("runner", "resume", "desk-1")).code
    one = (await typed("runner", "show", "desk-1", "--json")).json()
    assert (None, None) == (one["quarantined_at"], one["quarantine_reason"])
    assert "quarantined" != one["state"]
