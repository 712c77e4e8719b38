"""`botyard demo`: all of it once, here, in a fresh folder: deploy the samples, run one, show how it ended."""

import asyncio
import shutil
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from agent.ports.files import SystemDisk
from hub.cli import show
from hub.cli.children import stop_on_signals
from hub.cli.client import Client
from hub.cli.deploying import Deploying
from hub.cli.failing import Exit, Failure, exit_of
from hub.cli.following import Following, outcome_line, unprinted
from hub.cli.local import Pair, Place, running_pair
from hub.cli.scripted import SCRIPTED
from hub.cli.up import Port, Slots, until_stopped

app = typer.Typer(add_completion=False)

EXAMPLES = """
Examples:

  botyard demo

  botyard demo --data ./demo --port 8041 --exit
"""

SHOWN = "invoices"
PARAMETERS = {"month": "2026-03"}


@app.command(epilog=EXAMPLES)
def demo(
    data: Annotated[Path | None, typer.Option(help="Folder of everything; a new temporary one if absent.")] = None,
    port: Port = 8040,
    slots: Slots = None,
    exit_: Annotated[bool, typer.Option("--exit", help="End after the task, with its exit code.")] = False,
    json_: show.Json = False,
) -> int:
    """Start a hub and a runner, deploy the sample bots, run one and follow it. Ctrl-C ends everything."""
    del json_  # whatever tells the story looks at it
    folder = (data or Path(tempfile.mkdtemp(prefix="botyard-demo-"))).resolve()
    code = asyncio.run(_demo(Place(data=folder, port=port, slots=slots), leave=exit_))
    if exit_ and data is None and code == Exit.SUCCEEDED:
        SystemDisk().remove_tree(folder)
    elif data is None:
        show.note(
            f"everything is still in {folder}; to go on with it: botyard up --data {folder}; to be rid of it, remove it"
        )
    return code


async def _demo(place: Place, *, leave: bool) -> int:
    stop = asyncio.Event()
    stop_on_signals(stop)
    async with running_pair(place, show.note) as pair:
        story = Story(client=pair.client)
        code = await _told(story, pair, stop)
        if leave or stop.is_set():
            _say(f"API: {place.url}/api/docs while it runs (botyard up, or the demo without --exit)")
            return code
        _say(f"API: {place.url}/api/docs   key: {place.data / 'hub' / 'admin-token'}")
        show.note(f"everything lies in {place.data}. Ctrl-C ends it")
        await until_stopped(pair, stop)
        return code


async def _told(story: "Story", pair: Pair, stop: asyncio.Event) -> int:
    """Tell the story in a thread, until it is over, Ctrl-C, or a child's end."""
    async with asyncio.TaskGroup() as group:
        telling = group.create_task(asyncio.to_thread(story.result), name="story")
        stopped = group.create_task(stop.wait(), name="stop")
        broken = group.create_task(pair.broken(), name="children")
        await asyncio.wait({telling, stopped, broken}, return_when=asyncio.FIRST_COMPLETED)
        story.stop.set()
        for task in (telling, stopped, broken):
            task.cancel()
    if broken.done() and not broken.cancelled():
        raise broken.result()
    if telling.cancelled():
        raise Failure("stopped", Exit.DETACHED)
    told = telling.result()
    if isinstance(told, Failure):
        raise told
    return told


@dataclass(slots=True, kw_only=True)
class Story:
    """Deploys the samples, runs one, follows it, says how it ended."""

    client: Client
    stop: threading.Event = field(default_factory=threading.Event)

    def result(self) -> int | Failure:
        """The exit code of the task, or why there is none."""
        try:
            return self._tell()
        except Failure as failure:
            return failure

    def _tell(self) -> int:
        deploying = Deploying(client=self.client, stop=self.stop)
        for sample in samples():
            self._deploy(deploying, sample)
        task = self.client.post("/tasks", {"automation": SHOWN, "parameters": PARAMETERS})
        _say(f"running {SHOWN}, task {task['number']} ({task['id']})")
        following = Following(self.client, task["id"], stop=self.stop)
        if SCRIPTED.get():
            following.write = unprinted
        finished = following.run()
        _say(f"{SHOWN}: {outcome_line(finished)}")
        if SCRIPTED.get():
            show.as_json(finished)
        return self._totals(finished)

    def _deploy(self, deploying: Deploying, sample: Path) -> None:
        """Deploy a sample; only the one that is shown has to succeed (the web bot needs packages and a browser)."""
        try:
            deploying.deploy(sample, {}, release=True)
        except Failure as failure:
            if sample.name == SHOWN or failure.code is Exit.DETACHED:
                raise
            show.note(f"{sample.name} could not be deployed: {failure.message}")

    def _totals(self, finished: dict[str, Any]) -> int:
        output = finished["output"]
        _say(f"output: {output['lines']} lines, {output['bytes']} bytes, {output['says']}, sha256 {output['sha256']}")
        return int(exit_of(finished["outcome"]))


def samples() -> list[Path]:
    """The sample bots that this machine can run: in the wheel beside this file, in a checkout at its root."""
    beside = Path(__file__).parent / "samples"
    root = beside if beside.is_dir() else Path(__file__).parents[2] / "samples"
    if not (root / SHOWN).is_dir():
        raise Failure(f"the sample bots are not there ({root}).")
    has_browser = any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    names = [SHOWN, "plain", *(["web"] if has_browser and shutil.which("chromedriver") else [])]
    return [root / name for name in names]


def _say(text: str) -> None:
    if SCRIPTED.get():
        return
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
