"""`botyard hub backup` and `restore`: everything that a hub keeps in one file, and back (reliability.md R20)."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import platformdirs
import typer

from hub.cli import show
from hub.cli.failing import Exit, Failure
from hub.cli.progress import Progress

if TYPE_CHECKING:
    from agent.ports import Disk
    from hub.storage.address import Address
    from hub.storage.backup.archive import Manifest

BACKUP_EXAMPLES = """
Example: botyard hub backup hub-$(date +%F).byb --data /var/lib/botyard-hub

Take it while the hub runs: nothing waits for it. It holds every secret of the hub (its key, the first admin's key, the
database, all outputs and files), and is written so that only you can read it: keep it as you keep a password. A
PostgreSQL database is not inside; take pg_dump of it first, then this backup, with --database:

  pg_dump -Fc botyard > db.dump

  botyard hub backup hub.byb --database postgresql://botyard@db/botyard
"""
RESTORE_EXAMPLES = """
Example: botyard hub restore hub-2026-03-01.byb --data /var/lib/botyard-hub-2

Nothing runs twice after it: tasks that were not finished in the backup are held until all runners have shown what they
ran since, or until somebody says botyard task release-held. Stop the old hub for good first. A PostgreSQL database
is put back with pg_restore first, from the dump that was taken before the backup; then --database names it here:

  createdb again && pg_restore -d again db.dump

  botyard hub restore hub.byb --data DIR --database postgresql://botyard@db/again
"""
File = Annotated[Path, typer.Argument(help="The backup.")]
Data = Annotated[Path | None, typer.Option(envvar="BOTYARD_HUB_DATA", help="Folder of everything that the hub keeps.")]
Database = Annotated[
    str | None,
    typer.Option(envvar="BOTYARD_HUB_DATABASE", help="Database URL; a SQLite file in the folder if absent."),
]


def backup(file: File, data: Data = None, database: Database = None, json_: show.Json = False) -> None:
    """Write a backup of a hub to a new file, while the hub runs. It holds all of the hub's secrets."""
    from agent.ports import SystemClock, SystemDisk
    from hub.storage.backup.archive import BadBackup
    from hub.storage.backup.elsewhere import NotItsDatabase
    from hub.storage.backup.snapshot import DamagedDatabase
    from hub.storage.backup.taking import Source, take
    from hub.storage.store import SchemaMismatch
    from hub.storage.unreachable import CannotOpen

    folder, target = data or _usual(), file.absolute()
    address = _address(database or f"sqlite:///{folder / 'hub.db'}")
    if not target.parent.is_dir():
        raise Failure(f"there is no folder {target.parent}; name another file.", Exit.USAGE)
    progress = Progress()
    source = Source(data=folder, address=address, version=version("botyard"))
    try:
        made = take(source, target, SystemDisk(), SystemClock(), progress.set)
    except FileExistsError:
        raise Failure(f"{target} is there already; name another file.", Exit.USAGE) from None
    except FileNotFoundError:
        raise Failure(f"{folder} has no hub; name its folder with --data.", Exit.USAGE) from None
    except (BadBackup, DamagedDatabase, NotItsDatabase, CannotOpen, SchemaMismatch) as error:
        raise Failure(f"{error}; no backup was written.") from None
    except sqlite3.Error as error:
        raise Failure(f"the database could not be read ({error}); nothing was written.") from None
    size = target.stat().st_size
    if json_:
        show.as_json(
            {"file": str(target), "bytes": size, "files": len(made.files), "store": made.store_id, "at": made.made_at}
        )
        return
    typer.echo(f"{target}: {len(made.files)} files, {show.size(size)}")
    if made.database != "sqlite":
        show.note("without the PostgreSQL database: pg_dump makes its backup, and must be taken before this one")


def restore(file: File, data: Data = None, database: Database = None, json_: show.Json = False) -> None:
    """Put a backup back into a new folder. Unfinished tasks are held until it is known what ran since."""
    from agent.ports import SystemDisk
    from hub import data_folder
    from hub.data_folder import DataInUse
    from hub.storage.backup import restoring
    from hub.storage.backup.archive import BadBackup

    folder, disk, progress = data or _usual(), SystemDisk(), Progress()
    if not file.is_file():
        raise Failure(f"there is no file {file}.", Exit.USAGE)
    try:
        restoring.check_empty(folder)
        made = restoring.verify(file, progress.set)
        named = _database(made, database)
        with data_folder.held(folder, disk), _undone_unless_whole(folder, disk):
            aside = restoring.unpack(file, folder, disk, progress.set)
            held = _mark(named or f"sqlite:///{aside / 'hub.db'}", made.made_at)
            restoring.place(folder, disk)
    except restoring.NotEmpty as error:
        raise Failure(f"{error}.", Exit.USAGE) from None
    except (BadBackup, DataInUse) as error:
        raise Failure(f"{error}.") from None
    if json_:
        show.as_json({"data": str(folder), "held": held, "made_at": made.made_at, "files": len(made.files)})
        return
    typer.echo(f"{folder}: {len(made.files)} files of {made.made_at[:19]} UTC; {held} unfinished tasks are held")
    show.note(f"start it with botyard hub serve --data {folder}; botyard task list shows what is held, and why")


@contextmanager
def _undone_unless_whole(folder: Path, disk: "Disk") -> Iterator[None]:
    """What fails leaves nothing behind; what is killed leaves a folder that no hub starts on."""
    from hub.data_folder import RESTORING

    try:
        yield
    except BaseException:
        disk.remove_tree(folder / RESTORING)
        raise


def _database(made: "Manifest", said: str | None) -> str | None:
    """The database beside the backup, None where it is inside. Raises Failure where it has, or has not, to be named."""
    from hub.storage.backup import elsewhere
    from hub.storage.unreachable import CannotOpen

    if made.database == "sqlite" and said is not None:
        raise Failure("--database: this backup has its database inside; leave the option out.", Exit.USAGE)
    if made.database == "sqlite":
        return None
    if said is None:
        raise Failure(
            "--database is missing: this backup is of a hub on PostgreSQL. Put its dump back with pg_restore, "
            "then name that database.",
            Exit.USAGE,
        )
    address = _address(said)
    if address.is_sqlite:
        raise Failure("--database: this backup is of a hub on PostgreSQL; name that database.", Exit.USAGE)
    try:
        elsewhere.check(address, made)
    except (elsewhere.NotItsDatabase, CannotOpen) as error:
        raise Failure(f"{error}; nothing was restored.") from None
    return said


def _mark(url: str, made_at: str) -> int:
    """Give the store its new id and hold what is unfinished, in one transaction; how many tasks that are."""
    from agent.ports import SystemClock
    from hub.services import held
    from hub.storage.opening import open_store
    from hub.storage.store import SchemaMismatch
    from hub.storage.unreachable import CannotOpen

    async def mark() -> int:
        async with open_store(url, clock=SystemClock(), perform=lambda _: None) as store:
            return await store.write(held.hold, f"restored from the backup of {made_at[:19]} UTC")

    try:
        return asyncio.run(mark())
    except (SchemaMismatch, CannotOpen) as error:
        raise Failure(f"{error}.") from None


def _address(url: str) -> "Address":
    from hub.storage.address import Address

    try:
        return Address.parse(url)
    except ValueError as error:
        raise Failure(f"--database is {error}", Exit.USAGE) from None


def _usual() -> Path:
    return platformdirs.user_data_path("botyard-hub", appauthor=False)
