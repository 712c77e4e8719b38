"""A process that dies at any statement of a migration leaves the old schema; the next one ends it (R19)."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hub.storage.migrations import HEAD, read_version
from hub.storage.migrations.run import OURS, migrate
from hub.storage.opening import open_store
from hub.storage.store import SchemaMismatch
from tests.storage import seeds
from tests.storage.conftest import Heard
from tests.storage.test_migrations import on, shape
from tests.support.clock import FakeClock

NEXT = "9002"
# A table made, one copied and dropped (SQLite) or altered under all that refer to it, rows changed, an index.
REVISION = f"""
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "{NEXT}", "{HEAD}", None, None


def upgrade():
    op.create_table("shelves", sa.Column("id", sa.Text, primary_key=True), sa.Column("label", sa.Text))
    with op.batch_alter_table("workspaces") as batch:
        batch.add_column(sa.Column("colour", sa.Text, nullable=False, server_default="grey"))
        batch.create_check_constraint("workspaces_have_a_label", "length(label) > 0")
    op.execute("UPDATE workspaces SET colour = 'blue' WHERE id = 'wsp_two'")
    op.create_index("workspaces_by_colour", "workspaces", ["colour"])
    op.execute("INSERT INTO shelves SELECT id, label FROM workspaces")
"""
CUTS_MAX = 150


class Cutter:
    """The process that migrates and dies."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def migrate(self, until: int) -> str:
        """Migrate until that statement: ``killed``, or the revision that the database has now."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(until, file=self._process.stdin, flush=True)
        said = self._process.stdout.readline().strip()
        assert said, "the migration failed"
        return said


@pytest.fixture
def cutter(empty_database_url: str, tmp_path: Path) -> Iterator[Cutter]:
    """A program of the next version, with one more migration."""
    folder = tmp_path / "migrations"
    shutil.copytree(OURS.folder, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / f"{NEXT}_next.py").write_text(REVISION)
    with running(empty_database_url, str(folder), *OURS.revisions, NEXT) as process:
        yield Cutter(process)


@contextmanager
def running(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """The process, ended in order."""
    command = [sys.executable, "-m", "tests.storage.cut_migration", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process


def content(connection: sa.Connection) -> Any:
    """Rows that the migration touches, and one that refers to them."""
    workspaces = connection.execute(sa.text("SELECT * FROM workspaces ORDER BY id")).mappings().all()
    tasks = connection.execute(sa.text("SELECT id, workspace_id FROM tasks")).all()
    return [dict(row) for row in workspaces], [tuple(row) for row in tasks]


@pytest.mark.timeout(300)
async def test_a_migration_killed_at_any_statement_leaves_the_old_schema(
    empty_database_url: str, cutter: Cutter, clock: FakeClock, heard: Heard
) -> None:
    """R19: kill -9 before each statement of a second migration, and before its COMMIT, on a database with rows.

    After each kill the schema and the rows are what they were, this program opens it, and the next try begins anew; in
    the end all of the migration is there, and this program, which is older now, refuses it in one sentence.
    """
    url = empty_database_url
    await migrate(url)
    async with open_store(url, clock=clock, perform=heard.perform) as store:
        await store.write(seeds.work)
    before = await on(url, shape), await on(url, content)

    cuts = 0
    while (said := cutter.migrate(until=cuts + 1)) == "killed":
        cuts += 1
        assert cuts < CUTS_MAX
        assert before == (await on(url, shape), await on(url, content)), f"after a kill at statement {cuts}"
        assert HEAD == await on(url, read_version)
    assert said == NEXT
    assert 8 < cuts, "statements were not seen"

    workspaces, tasks = await on(url, content)
    assert [("wsp_one", "grey"), ("wsp_two", "blue")] == [(one["id"], one["colour"]) for one in workspaces]
    assert tasks == before[1][1]
    newer = await on(url, shape)
    assert newer.keys() > before[0].keys()
    with pytest.raises(SchemaMismatch, match=f"{NEXT}, made by a newer Botyard; .* update this program") as refused:
        async with open_store(url, clock=clock, perform=heard.perform):
            pass
    assert "\n" not in str(refused.value)
    assert newer == await on(url, shape)


@pytest.mark.timeout(120)
async def test_an_older_schema_is_refused_with_what_to_do(
    empty_database_url: str, clock: FakeClock, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R19: a program that knows one migration more does not start on what is not migrated yet, nor changes it."""
    await migrate(empty_database_url)
    before = await on(empty_database_url, shape)
    monkeypatch.setattr("hub.storage.migrations.REVISIONS", (*OURS.revisions, NEXT))
    monkeypatch.setattr("hub.storage.migrations.HEAD", NEXT)
    with pytest.raises(SchemaMismatch, match=f"schema {HEAD}, this program needs {NEXT}: migrate it first"):
        async with open_store(empty_database_url, clock=clock, perform=heard.perform):
            pass
    assert before == await on(empty_database_url, shape)
