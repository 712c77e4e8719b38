"""A real hub and real runners as processes, driven by the real command line: what the scenario tests stand on."""

import asyncio
import json
import os
import re
import signal
import ssl
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import psutil

from agent.service.purge import is_a_runners
from tests.support.free_ports import free_port
from tests.support.waiting import eventually, seconds

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command printed and how it ended."""

    code: int
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        """Standard output as text."""
        return self.out.decode()

    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


@dataclass(slots=True)
class Daemon:
    """One of our long-running programs as a process, its log in a file."""

    name: str
    command: list[str]
    log: Path
    env: Mapping[str, str]
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it; it is running when this returns, not necessarily ready."""
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env=dict(self.env), cwd="/"
            )

    @property
    def pid(self) -> int:
        """The process, which must have been started."""
        assert self.process is not None
        return self.process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.process is not None and self.process.returncode is None

    @property
    def code(self) -> int | None:
        """How it ended, a signal as a negative number; None while it runs, or was never started."""
        return None if self.process is None else self.process.returncode

    async def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end."""
        if self.process is None or self.process.returncode is not None:
            return 0 if self.process is None else self.process.returncode or 0
        self.process.send_signal(how)
        async with asyncio.timeout(seconds(60)):
            return await self.process.wait()

    async def kill(self) -> None:
        """End it with SIGKILL, as a crash does."""
        await self.end(signal.SIGKILL)

    def tail(self) -> str:
        """The end of its log, for a failing test."""
        return self.log.read_text(errors="replace")[-4000:] if self.log.exists() else ""


@dataclass(slots=True)
class Rig:
    """A hub, its runners and a command line that knows the admin's token; `async with` ends all of it."""

    folder: Path
    port: int = 0
    hub: Daemon = field(init=False)
    hub_options: tuple[str, ...] = ()
    """More of `hub serve`; with `ca` set they make it speak TLS."""
    ca: Path | None = None
    """The authority of the hub's certificate."""
    runners: dict[str, Daemon] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.port = self.port or free_port()
        self.env = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("BOTYARD_", "PYTHONDONT"))},
            "PYTHONPATH": str(ROOT),
            "BOTYARD_URL": self.url,
            # Folders of tests are kept for a while, and there are many.
            "BOTYARD_HUB_DISK_RESERVE": "1MiB",
            # Machines are struck on purpose, over and over, and are well.
            "BOTYARD_HUB_QUARANTINE_AFTER": "1000",
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "COLUMNS": "160",
        }
        command = [sys.executable, "-m", "hub.cli", "hub", "serve", "--data", str(self.data), "--port", str(self.port)]
        command += self.hub_options
        self.env |= {"BOTYARD_CA": str(self.ca)} if self.ca else {}
        self.hub = Daemon("hub", command, self.folder / "hub.log", self.env)

    @property
    def url(self) -> str:
        """Where the hub listens."""
        return f"{'https' if self.ca else 'http'}://127.0.0.1:{self.port}"

    def client(self, **headers: str) -> aiohttp.ClientSession:
        """An HTTP client that trusts the hub's certificate; the caller closes it."""
        tls = ssl.create_default_context(cafile=str(self.ca)) if self.ca else True
        return aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(ssl=tls, limit=0))

    @property
    def data(self) -> Path:
        """The hub's folder."""
        return self.folder / "data"

    async def __aenter__(self) -> Self:
        try:
            await self.start_hub()
        except BaseException:
            await self.hub.kill()
            raise
        self.env["BOTYARD_TOKEN"] = (self.data / "admin-token").read_text().strip()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for daemon in (*self.runners.values(), self.hub):
            if error is not None:
                print(f"--- {daemon.name} ---\n{daemon.tail()}")
        try:
            for name in list(self.runners):
                await self.end_runner(name)
        finally:
            await self.hub.end()

    async def start_hub(self) -> None:
        """Start the hub and wait until it is ready."""
        await self.hub.start()
        await eventually(self._is_ready, within=120, saying="the hub did not become ready")

    async def _is_ready(self) -> bool:
        assert self.hub.alive, self.hub.tail()
        try:
            async with self.client() as session, session.get(f"{self.url}/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    # --- runners ---

    def home(self, name: str) -> Path:
        """A runner's folder."""
        return self.folder / "homes" / name

    async def add_runner(self, name: str, *options: str, url: str | None = None, start: bool = True) -> Daemon:
        """Enrol a runner with a fresh token and start its daemon; it is linked when this returns."""
        token = (await self.botyard("runner", "token", "--json")).json()["token"]
        file = self.folder / f"{name}.token"
        file.write_text(token)
        file.chmod(0o600)
        where = ["--home", str(self.home(name))]
        enroll = [sys.executable, "-m", "agent", "enroll", url or self.url, "--token", str(file), "--name", name]
        enrol = await self.run(*enroll, *where, *options)
        assert enrol.code == 0, enrol.err.decode()
        daemon = Daemon(
            name, [sys.executable, "-m", "agent", "run", *where], self.folder / f"{name}.log", dict(self.env)
        )
        self.runners[name] = daemon
        if start:
            await self.start_runner(name)
        return daemon

    async def start_runner(self, name: str) -> None:
        """Start an enrolled runner's daemon and wait for its link."""
        await self.runners[name].start()
        await eventually(lambda: self._is_linked(name), within=120, saying=f"{name} did not connect")

    async def _is_linked(self, name: str) -> bool:
        assert self.runners[name].alive, self.runners[name].tail()
        page = await self.get("/api/v1/runners")
        return any(runner["name"] == name and runner["connected"] for runner in page["items"])

    async def end_runner(self, name: str) -> None:
        """End a runner and every bot of it."""
        daemon = self.runners.pop(name)
        home = str(self.home(name))
        if daemon.alive:
            await self.run(sys.executable, "-m", "agent", "stop", "--now", "--home", home)
            await daemon.end()
        for process in psutil.process_iter(["environ", "cmdline"]):
            words = [*(process.info["cmdline"] or []), *(process.info["environ"] or {}).values()]
            if process.pid != os.getpid() and any(home in word for word in words):
                process.kill()
        if self.home(name).is_dir() and not self.home(name).is_symlink():  # a small disk holds what fills it
            others = [path.name for path in self.home(name).iterdir() if not is_a_runners(path.name)]
            assert others == [], "a purge would take what a runner made for somebody else's: agent.home.NAMES"

    # --- the command line and the API ---

    async def run(self, *command: str, within: float = 120, env: Mapping[str, str] | None = None) -> Answer:
        """Run a command to its end."""
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**self.env, **(env or {})},
            cwd=ROOT,
        )
        try:
            async with asyncio.timeout(seconds(within)):
                out, err = await process.communicate()
        except TimeoutError:
            process.kill()
            out, err = await process.communicate()
            raise AssertionError(f"{command} did not end: {out[-2000:]!r} {err[-2000:]!r}") from None
        assert process.returncode is not None
        return Answer(process.returncode, out, err)

    async def botyard(self, *arguments: str, within: float = 120, code: int | None = 0) -> Answer:
        """A `botyard` command; its exit code must be `code` unless that is None."""
        answer = await self.run(sys.executable, "-m", "hub.cli", *arguments, within=within)
        assert code is None or answer.code == code, f"{arguments}: {answer.code}\n{answer.text}\n{answer.err.decode()}"
        return answer

    async def get(self, path: str) -> Any:
        """A GET of the API with the admin's token."""
        headers = {"Authorization": f"Bearer {self.env['BOTYARD_TOKEN']}"}
        async with self.client(**headers) as session, session.get(self.url + path) as answer:
            body = await answer.read()
            assert answer.status == 200, f"{path}: {answer.status} {body!r}"
            return json.loads(body) if "json" in answer.content_type else body

    async def send(self, method: str, path: str, body: Any) -> Any:
        """A call of the API with the admin's token and a JSON body; its JSON answer."""
        headers = {"Authorization": f"Bearer {self.env['BOTYARD_TOKEN']}"}
        async with (
            self.client(**headers) as session,
            session.request(method, self.url + path, json=body) as answer,
        ):
            text = await answer.text()
            assert answer.ok, f"{path}: {answer.status} {text}"
            return json.loads(text)

    async def submit(self, label: str, **parameters: str) -> str:
        """Ask for a task by the command line; its id."""
        options = [word for key, value in parameters.items() for word in ("-p", f"{key}={value}")]
        answer = await self.botyard("run", label, *options)
        found = re.search(r"tsk_[0-9a-f]{32}", answer.text)
        assert found is not None, answer.text
        return found.group()

    async def task(self, task_id: str) -> Any:
        """The task as the API shows it."""
        return await self.get(f"/api/v1/tasks/{task_id}")

    async def finished(self, task_id: str, within: float = 90) -> Any:
        """The task once it is finished."""

        async def look() -> Any:
            task = await self.task(task_id)
            return task if task["state"] == "finished" else None

        return await eventually(look, within=within, saying=f"{task_id} did not finish")

    async def state(self, task_id: str, state: str, within: float = 90) -> Any:
        """The task once it is in this state."""

        async def look() -> Any:
            task = await self.task(task_id)
            return task if task["state"] == state else None

        return await eventually(look, within=within, saying=f"{task_id} never was {state}")

    async def output(self, task_id: str) -> bytes:
        """All that is stored of its output, as the bot wrote it."""
        raw = await self.get(f"/api/v1/tasks/{task_id}/output/raw")
        assert isinstance(raw, bytes)
        return raw

    async def printed(self, task_id: str, text: bytes, within: float = 90) -> None:
        """Wait until the hub shows this in the output."""

        async def look() -> bool:
            return text in await self.output(task_id)

        await eventually(look, within=within, saying=f"{text!r} was never shown")

    # --- bots ---

    def bot(self, name: str, files: Mapping[str, str]) -> Path:
        """A folder with these files; what begins with `#!` is executable."""
        folder = self.folder / "bots" / name
        for path, text in files.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            file.chmod(0o755 if text.startswith("#!") else 0o644)
        return folder

    async def deploy(self, name: str, files: Mapping[str, str], *options: str) -> None:
        """Deploy a small bot under its name, with release and automation."""
        await self.botyard("deploy", str(self.bot(name, files)), "--bot", name, *options, within=120)


def bots_alive(execution_id: str) -> list[psutil.Process]:
    """Processes that carry this execution in their environment: the bot and what it started."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("BOTYARD_EXECUTION_ID") == execution_id:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found
