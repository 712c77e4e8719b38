"""How commands name an item: its id, or its queue and what people call it."""

from typing import Annotated

import typer

from hub.cli.client import Client, segment
from hub.cli.failing import Failure

Item = Annotated[str, typer.Argument(help="Id of the item, or QUEUE/REFERENCE.")]


def id_of(client: Client, named: str) -> str:
    """The id of an item that may be named by QUEUE/REFERENCE. Raises Failure unless it is exactly one."""
    queue, slash, reference = named.partition("/")
    if not slash:
        return named
    found = client.get(f"/queues/{segment(queue)}/items", {"reference": reference, "limit": 10})["items"]
    if len(found) == 1:
        return str(found[0]["id"])
    if not found:
        raise Failure(f"There is no item {reference[:128]!r} in {queue}. botyard item list {queue} shows all.")
    ids = ", ".join(one["id"] for one in found)
    raise Failure(f"{len(found)} items of {queue} have the reference {reference!r} ({ids}): name one by its id.")
