"""The hub's composition root: opens its parts, mounts its adapters, runs its loops, stops in order (design.md §5).

Start: lock the folder, open the store (a fresh one gets schema, workspace, admin), outputs, loops; then listen.
Stop: no new connection, a goodbye with "come back in …" to each runner, loops, outputs, store; at most 10 s (R5).
"""

import asyncio
import logging
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from agent.ports import Disk, SystemClock, SystemDisk
from agent.ports.clock import Clock
from agent.ports.notify import own_notifier
from agent.ports.stalls import stalls_told
from agent.ports.tools import run_tool
from hub import data_folder, descriptors, runners
from hub.config import Settings
from hub.context import Hub
from hub.domain.access import SecretKind
from hub.domain.credits import CreditBook
from hub.identity import load_identity
from hub.listening import listening, try_address
from hub.services import access
from hub.services import runners as runner_services
from hub.services.breaker_clock import BreakerClock
from hub.services.certificates import CertificateWatch
from hub.services.deployments import Deployments, ResolverLoop
from hub.services.event_watcher import EventWatcher
from hub.services.failing_runners import FailingRunners
from hub.services.held_loops import HeldWatch, PositionWatch
from hub.services.item_clock import ItemClock
from hub.services.late_dependents import LateDependents
from hub.services.long_waits import LongWaits
from hub.services.loops import DesiredBuilds, Dispatcher, DueClock, OutputEnds, StaleAlerts
from hub.services.perform import Performer
from hub.services.queue_watcher import QueueWatcher
from hub.services.resolve import RequirementResolver
from hub.services.room_watch import RoomWatch
from hub.services.signals import Signals
from hub.services.sweeps import Sweeper, Times
from hub.services.trigger_clock import TriggerClock
from hub.services.watched_folders import WatchedFolders
from hub.services.window_clock import WindowClock
from hub.starting import why_not
from hub.storage.address import Address
from hub.storage.blobs import FolderBlobs
from hub.storage.ending_disk import EndingDisk
from hub.storage.opening import Options, open_store
from hub.storage.outputs import Outputs
from hub.storage.room import Room
from hub.storage.settling import end_process
from hub.storage.store import Store
from hub.tls import Certificates

log = logging.getLogger(__name__)

EX_CONFIG = 78
_SWITCH_S = 0.0005
"""core.md §5 [M]: a two-hop exchange beside a busy thread took 5.2 ms with the default, then 0.6."""


def run(settings: Settings) -> int:
    """Run a hub until SIGTERM or SIGINT; the exit code: 0, or 78 when it can't be started so."""
    sys.setswitchinterval(_SWITCH_S)
    descriptors.make_room()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        with data_folder.held(settings.data, SystemDisk()), asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_until_signal(settings))
    except Exception as error:
        sentence = why_not(error, settings)
        if sentence is None:
            raise
        sys.stderr.write(f"botyard hub: {sentence}\n")
        return EX_CONFIG
    return 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        from hub import stock_tls

        stock_tls.slim()
        return None
    import uvloop

    return uvloop.new_event_loop


async def _until_signal(settings: Settings) -> None:
    stop, manager = asyncio.Event(), own_notifier()
    _on_signals(stop.set)
    async with serving(settings) as hub:
        del hub
        manager.send(READY="1", STATUS="listening")
        with stalls_told():
            await stop.wait()
        log.info("stopping")
        manager.send(STOPPING="1")


def _on_signals(stop: Callable[[], None]) -> None:
    """The first signal stops in order; where the loop can't be told (Windows), Python's own handler does."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, stop)
        except NotImplementedError:
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))


@asynccontextmanager
async def serving(settings: Settings, *, clock: Clock | None = None, disk: Disk | None = None) -> AsyncIterator[Hub]:
    """A hub that listens while the block runs. The caller holds the data folder."""
    clock, disk = clock or SystemClock(), disk or EndingDisk(end_process)
    data_folder.check_whole(settings.data)
    tls = await asyncio.to_thread(_certificates, settings, clock)
    await try_address(settings)
    async with AsyncExitStack() as stack:
        sessions, signals = runners.Sessions(clock.boot_ns), Signals()
        book = CreditBook(clock.monotonic)
        room = await asyncio.to_thread(_room, settings)
        outputs = Outputs(settings.data / "outputs", disk, on_fatal=end_process, room=room)
        performer = Performer(book, sessions, signals, outputs.end)
        options = Options(on_effect_error=performer.on_error, on_full=room.note_full)
        url = settings.database_url
        store = await stack.enter_async_context(
            open_store(url, clock=clock, perform=performer.perform, options=options)
        )
        await _first_start(settings, disk, store)
        await outputs.start()
        stack.push_async_callback(outputs.close)
        blobs = await asyncio.to_thread(FolderBlobs, settings.data / "blobs", disk)
        resolver = ResolverLoop(store, blobs, RequirementResolver(settings.data / "resolver", run_tool))
        hub = Hub(
            settings=settings,
            clock=clock,
            disk=disk,
            store=store,
            book=book,
            sessions=sessions,
            outputs=outputs,
            blobs=blobs,
            deployments=Deployments(store, blobs, clock, resolver),
            identity=await asyncio.to_thread(load_identity, settings.data, disk),
            signals=signals,
            room=room,
        )
        await store.write(runner_services.close_sessions_of, hub.identity.hub_id)
        await stack.enter_async_context(_loops(hub, resolver, tls))
        await stack.enter_async_context(listening(hub, sessions, tls))
        yield hub


async def _first_start(settings: Settings, disk: Disk, store: Store) -> None:
    """A fresh store gets a workspace and an admin; the key is in a file before it is in the store, and printed once."""
    if await store.read(access.workspaces, "", 1):
        return
    fresh = access.new_secret(SecretKind.KEY)
    secret = await asyncio.to_thread(data_folder.admin_secret, settings.data, disk, fresh)
    if await store.write(access.bootstrap, secret):
        where = settings.data / data_folder.ADMIN_TOKEN_FILE
        sys.stdout.write(f"first start: workspace default, admin key {secret} (also in {where})\n")
        sys.stdout.flush()


def loops_of(hub: Hub) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
    """What a hub does by itself, whatever it listens on: each runs for ever."""
    settings = hub.settings
    times = Times(sweep_s=settings.sweep_s, output_grace_s=settings.output_grace_s)
    return {
        "dispatch": Dispatcher(hub.store, hub.book, hub.signals, settings.sweep_s, hub.room).run,
        "room": RoomWatch(hub.store, hub.room, hub.signals).run,
        "commit position": PositionWatch(hub.store, hub.signals).run,
        "held": HeldWatch(hub.store, hub.clock, settings.held_s).run,
        "due": DueClock(hub.store, hub.signals, hub.clock).run,
        "queue triggers": QueueWatcher(hub.store, hub.signals, hub.clock, hub.room).run,
        "event triggers": EventWatcher(hub.store, hub.signals, hub.room).run,
        "items": ItemClock(hub.store, hub.signals, hub.clock).run,
        "triggers": TriggerClock(hub.store, hub.signals, hub.clock, hub.room).run,
        "breakers": BreakerClock(hub.store, hub.signals, hub.clock).run,
        "failing runners": FailingRunners(hub.store, hub.signals, settings.quarantine_after).run,
        "windows": WindowClock(hub.store, hub.book, hub.signals, hub.clock).run,
        "late dependents": LateDependents(hub.store, hub.signals).run,
        "desired": DesiredBuilds(hub.store, hub.book, hub.sessions, hub.signals).run,
        "watched folders": WatchedFolders(hub.store, hub.sessions, hub.signals).run,
        "outputs": OutputEnds(hub.store, hub.outputs, hub.signals).run,
        "alerts": StaleAlerts(hub.store, hub.signals).run,
        "long waits": LongWaits(hub.store).run,
        "sweep": Sweeper(hub.store, hub.sessions, hub.clock, hub.identity.hub_id, times).run,
    }


@asynccontextmanager
async def _loops(hub: Hub, resolver: ResolverLoop, tls: Certificates | None) -> AsyncIterator[None]:
    """The hub's loops in one group; one that fails ends the hub."""
    loops = {**loops_of(hub), "resolver": resolver.run}
    if tls is not None:
        watch = CertificateWatch(hub.store, tls)
        loops["certificate"] = watch.run
        _on_hang_up(watch.hurry)
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(loop(), name=name) for name, loop in loops.items()]
        try:
            yield
        finally:
            for task in running:
                task.cancel()


def _room(settings: Settings) -> Room:
    """The reserves: where the data lies, and where a database of its own does."""
    database = Address.parse(settings.database_url).path
    folders = [settings.data] if database is None else [settings.data, database.parent]
    room = Room((folder for folder in folders if folder.is_dir()), settings.disk_reserve)
    room.begin()
    return room


def _certificates(settings: Settings, clock: Clock) -> Certificates | None:
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    return Certificates(settings.tls_cert, settings.tls_key, clock.now)


def _on_hang_up(reread: Callable[[], None]) -> None:
    """SIGHUP reads the certificate anew, as renewal hooks expect; the watch finds a changed file by itself anyway."""
    if sys.platform != "win32" and threading.current_thread() is threading.main_thread():
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reread)
