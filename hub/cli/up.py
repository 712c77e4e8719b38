"""`botyard up`: a hub and a runner on this machine, until Ctrl-C."""

import asyncio
from pathlib import Path
from typing import Annotated

import platformdirs
import typer

from agent.ports.files import SystemDisk
from hub.cli import show
from hub.cli.children import stop_on_signals
from hub.cli.failing import Exit, Failure
from hub.cli.local import Pair, Place, Tls, running_pair
from hub.cli.profile import offer_profile

app = typer.Typer(add_completion=False)

EXAMPLES = """
Examples:

  botyard up

  botyard up --data ./botyard-data --port 8041 --slots 4

  botyard up --tls-cert localhost.pem --tls-key localhost.key --ca my-authority.pem
"""

Port = Annotated[int, typer.Option(min=1, max=65535, help="Where the hub listens, on this machine only.")]
Slots = Annotated[int | None, typer.Option(min=1, max=64, help="Bots at once.")]


@app.command(epilog=EXAMPLES)
def up(
    data: Annotated[
        Path | None, typer.Option(help="Folder of everything; the platform's data folder if absent.")
    ] = None,
    port: Port = 8040,
    slots: Slots = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="Speak https with this certificate (PEM) for localhost.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key, PEM.")] = None,
    ca: Annotated[Path | None, typer.Option(help="The private authority that made it, PEM.")] = None,
) -> int:
    """Start a hub and a runner here. Ctrl-C ends both, and the bots that run."""
    folder = data or platformdirs.user_data_path("botyard", appauthor=False)
    # Before anything is started: a place that can't be one is said by itself.
    SystemDisk().make_folder(folder)
    tls = _tls(tls_cert, tls_key, ca)
    return asyncio.run(_up(Place(data=folder.resolve(), port=port, slots=slots, tls=tls)))


def _tls(cert: Path | None, key: Path | None, ca: Path | None) -> Tls | None:
    """The certificate to speak https with, tried before anything is started. Raises Failure."""
    if cert is None and key is None and ca is None:
        return None
    if cert is None or key is None:
        raise Failure("--tls-cert and --tls-key belong together: give both or none", Exit.USAGE)
    from hub.tls import BadCertificate, loopback_name

    try:
        name = loopback_name(cert)
    except BadCertificate as error:
        raise Failure(str(error), Exit.USAGE) from None
    return Tls(cert=cert.absolute(), key=key.absolute(), ca=ca.absolute() if ca else None, name=name)


async def _up(place: Place) -> int:
    stop = asyncio.Event()
    stop_on_signals(stop)
    async with running_pair(place, show.note) as pair:
        show.note(f"ready: {place.url}   API: {place.url}/api/docs   data: {place.data}")
        show.note(offer_profile(pair.client.profile))
        show.note("deploy a bot from another terminal: botyard deploy PATH   Ctrl-C ends everything here")
        return await until_stopped(pair, stop)


async def until_stopped(pair: Pair, stop: asyncio.Event) -> int:
    """Wait for Ctrl-C; raises Failure when a child ends by itself before."""
    async with asyncio.TaskGroup() as group:
        stopped = group.create_task(stop.wait(), name="stop")
        broken = group.create_task(pair.broken(), name="children")
        await asyncio.wait({stopped, broken}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        broken.cancel()
    if broken.done() and not broken.cancelled():
        raise broken.result()
    show.note("ending the bots, the runner and the hub")
    return int(Exit.SUCCEEDED)
