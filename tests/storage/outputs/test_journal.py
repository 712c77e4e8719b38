"""The ingest journal's one promise: a group that was appended is on the disk (G1, R16)."""

from pathlib import Path

from agent.ports.files import AppendFile, SystemDisk
from hub.storage.outputs.journal import Journal
from hub.storage.outputs.records import Record, RecordKind


class WrittenDownDisk(SystemDisk):
    """A disk that keeps the order of what is done to its files."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def open_append(self, path: Path) -> AppendFile:
        file = super().open_append(path)
        write, sync = file.write, file.sync

        def written(data: bytes) -> None:
            self.done.append("write")
            write(data)

        def synced() -> None:
            self.done.append("sync")
            sync()

        file.write, file.sync = written, synced  # type: ignore[method-assign]  # it is the same disk
        return file


def piece(start: int, data: bytes) -> Record:
    """A little output."""
    ids = {"workspace_id": "wsp_" + "1" * 32, "execution_id": "exe_" + "2" * 32}
    return Record(kind=RecordKind.DATA, start=start, time_ms=1, stream=1, data=data, **ids)


def test_each_group_is_synced_before_it_is_told(tmp_path: Path) -> None:
    """G1, R16, core.md §3: one fdatasync per group, however small: its return is what `safe` rests on."""
    disk = WrittenDownDisk()
    journal = Journal(tmp_path / "journal", disk)
    assert [] == list(journal.recover())
    disk.done.clear()

    for number in range(3):
        journal.append([piece(2 * number, b"a"), piece(2 * number + 1, b"b")])
        assert ["write", "sync"] * (number + 1) == disk.done
    journal.close()
