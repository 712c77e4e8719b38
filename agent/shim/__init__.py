"""The shim: parent of exactly one bot. It is small, single-threaded, and outlives the daemon that gave it its order.

How one execution goes, and which file tells it:

| step | file |
|---|---|
| the zygote forks an idle shim per slot ahead of need | `zygote_process.py` (daemon's side: `agent/zygote.py`) |
| the idle shim waits; one message brings the order and its descriptors | `idle.py`, `order.py`, `handover.py` |
| the permit's age is checked, `verdict` is linked: `started` or `void` | `verdict.py` |
| the bot's child is forked and becomes the bot | `child.py` |
| pipes are read, masked, framed into `output/<n>.seg` | `taps.py`, `agent/masking/`, `agent/segments.py` |
| `::x::` lines act; the end of stderr is kept | `lines.py`, `last_errors.py` |
| the loop: run limit, dead-man deadline, ladder, tree, end | `supervisor.py`, `ladder.py`, `deadlines.py`, `tree.py` |
| the daemon connects, again after each of its restarts | `service.py`, `wire.py`; daemon's side: `client.py` |
| what came of it, durable | `exit_file.py` |

The execution's folder, as the shim leaves it (0700, made and synced by the daemon before the order):

    verdict          one line of JSON, linked once, never changed          core.md D1
    stop             the first durable stop cause, linked once             core.md §4
    output/<n>.seg   frames of stdout and stderr, masked                    core.md §3
    socket           listens while the shim lives
    masks            secrets that came while the bot ran, for a daemon that finds no shim
    exit             JSON; first when the main process was reaped, then replaced once with `final: true`
    shim-error       traceback, only when the shim itself broke

Nothing here imports asyncio, pydantic or aiohttp, but for `client.py` and `agent/zygote.py`, which run in the daemon:
each module that the zygote loads costs every shim.
"""
