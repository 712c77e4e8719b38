"""A spool on a full disk has room for what ends executions, and for nothing else (core.md §3, R27)."""

from pathlib import Path

from agent.spool import Spool, SpoolFullError, Tombstone
from agent.wire.facts import Fact, FinalFact, ReportFact, RowFact, make_fact
from agent.wire.words import ReportStatus
from tests.support.session import AT, exe, fact, tsk
from tests.support.small_disk import fill, small_disk


def row(number: int, seq: int) -> Fact:
    """A line of a record log: no execution waits for it."""
    return make_fact(exe(number), 1, seq, RowFact(at=AT, log="log", columns={"column": "x" * 20_000}))


def report(number: int, seq: int, size: int) -> Fact:
    """A report with a long message."""
    return make_fact(exe(number), 1, seq, ReportFact(at=AT, status=ReportStatus.SUCCEEDED, message="x" * size))


async def refused(spool: Spool, *facts: Fact) -> bool:
    """Whether the spool has no room for them."""
    try:
        await spool.add(*facts)
    except SpoolFullError:
        return True
    return False


async def test_what_ends_executions_fits_on_a_full_disk(tmp_path: Path) -> None:
    """core.md §3: 1 MiB of the spool is preallocated for report, exit, final; rows do not eat it."""
    with small_disk(tmp_path / "small", "8m") as disk:
        spool = await Spool.open(disk / "spool.db")
        filler = fill(disk)
        # when rows have taken what there was
        rows = 0
        while not await refused(spool, row(1, rows + 1)):
            rows += 1
            assert rows < 200
        # then reports and ends of fifteen executions fit all the same, and are durable
        for number in range(2, 17):
            final = make_fact(exe(number), 1, 2, FinalFact(at=AT, output_bytes=0, streams_ended=True))
            assert await spool.add(report(number, 1, 20_000))
            assert await spool.add(final)
        assert await refused(spool, row(1, rows + 1))
        assert not spool.failure.done()
        # and so does forgetting, which makes room
        for number in range(2, 17):
            stone = Tombstone(execution_id=exe(number), task_id=tsk(1), fence=1, outcome="final")
            await spool.bury(stone, AT)
        await spool.close()
        # and a daemon that starts on the full disk has them
        spool = await Spool.open(disk / "spool.db")
        assert [rows, 15] == [len(await spool.read(exe(1))), len(await spool.tombstones())]
        filler.unlink()
        await spool.keep_room()
        assert await spool.add(row(1, rows + 1))
        await spool.close()


async def test_room_is_taken_again(tmp_path: Path) -> None:
    """core.md §3: the room is there for the next full disk, too."""
    with small_disk(tmp_path / "small", "8m") as disk:
        spool = await Spool.open(disk / "spool.db")
        for life in (1, 2):
            filler = fill(disk)
            seq = 0
            while not await refused(spool, report(life, seq + 1, 20_000)):
                seq += 1
                assert seq < 400
            # more than half of it, whatever else stands in the file
            assert seq * 20_000 > 600_000
            stone = Tombstone(execution_id=exe(life), task_id=tsk(1), fence=1, outcome="final")
            filler.unlink()
            await spool.bury(stone, AT)
            await spool.keep_room()
        assert await spool.add(fact(3, 1))
        await spool.close()
