"""`botyard runner drain --wait`: see a runner's bots end, told by the event feed, not asked for again and again."""

import threading
from collections.abc import Iterator
from typing import Any

from hub.cli.client import LOST, Client, Query, segment
from hub.cli.failing import Exit, Failure, Refusal
from hub.cli.progress import Progress

_PAUSE_S = 1.0


def until_idle(client: Client, runner_id: str) -> dict[str, Any]:
    """Wait until the runner has nothing to do; it as it is then. Ctrl-C ends with 130, and leaves it draining.

    Raises Failure when somebody gives it work again.
    """
    progress = Progress()
    try:
        return _until_idle(client, runner_id, progress)
    except KeyboardInterrupt:
        raise Failure("detached; it goes on draining. botyard runner resume ends that", Exit.DETACHED) from None
    finally:
        progress.end()


def _until_idle(client: Client, runner_id: str, progress: Progress) -> dict[str, Any]:
    most = 1
    for found in _looks(client, runner_id, progress):
        most = max(most, len(found["busy"]))
        if _is_over(found, most, progress):
            return found
    raise AssertionError("there is no limit to this waiting")


def _looks(client: Client, runner_id: str, progress: Progress) -> Iterator[dict[str, Any]]:
    """The runner as it is, and again at each event of it; from one connection to the next."""
    # The stream begins at the newest event, before the first look: nothing ends unseen in between.
    of_runner: Query = {"follow": True, "newest": True, "limit": 1, "runner": runner_id}
    while True:
        try:
            for _ in client.events("/events", of_runner, ""):
                yield dict(client.get(f"/runners/{segment(runner_id)}"))
        except Refusal as refusal:
            if refusal.status != 503:
                raise
        except LOST as error:
            progress.tell(f"(the hub is not reached ({error}); going on when it is back)")
        threading.Event().wait(_PAUSE_S)


def _is_over(found: dict[str, Any], most: int, progress: Progress) -> bool:
    busy = found["busy"]
    if busy and not found["draining"]:
        raise Failure(f"{found['name']} was given work again: somebody said botyard runner resume.")
    names = ", ".join(f"{one['number']} ({one['automation']})" for one in busy[:3])
    more = f" and {len(busy) - 3} more" if len(busy) > 3 else ""
    text = f"{len(busy)} still run: {names}{more}" if busy else "nothing runs any more"
    progress.set(f"draining {found['name']}", 1 - len(busy) / most, text)
    return not busy
