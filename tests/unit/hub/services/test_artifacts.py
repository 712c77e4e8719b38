"""Files that runners name: only bytes of their own workspace are attached (S35)."""

from agent.wire.facts import ArtifactFact
from hub.services import artifacts
from hub.storage.blobs import Blob
from tests.support.clock import FakeClock
from tests.support.work_world import WORKSPACE, WorkWorld, exited, final

AT = FakeClock().now()
OURS, THEIRS = "a" * 64, "b" * 64


def named(name: str, sha256: str, size_bytes: int = 3) -> ArtifactFact:
    """What a runner says of a file."""
    return ArtifactFact(at=AT, name=name, sha256=sha256, size_bytes=size_bytes)


async def test_bytes_of_another_workspace_are_not_attached(world: WorkWorld) -> None:
    """S35: who knows a digest has no right to its bytes; the task ends all the same, and the event says it."""
    task, session, start = await world.running()
    await world.store.write(artifacts.own, WORKSPACE, Blob(sha256=OURS, size_bytes=5))
    facts = (named("mine.txt", OURS), named("theirs.txt", THEIRS), exited(), final())
    await world.say(session, start, *facts, first=2)
    rows = await world.rows("artifacts")
    assert [("mine.txt", 5)] == [(row["name"], row["size_bytes"]) for row in rows]
    kinds = [event["kind"] for event in await world.rows("events", task_id=task.id)]
    assert {"artifact.attached", "artifact.missing"} <= set(kinds)
    assert (await world.show(task)).outcome is not None


async def test_a_size_is_what_is_stored(world: WorkWorld) -> None:
    """A runner's word about a size that no column holds is no fault of the hub."""
    _, session, start = await world.running()
    await world.store.write(artifacts.own, WORKSPACE, Blob(sha256=OURS, size_bytes=5))
    await world.say(session, start, named("a.txt", OURS, 2**70), named("a.txt", OURS, 0), first=2)
    assert [5] == [row["size_bytes"] for row in await world.rows("artifacts")]
