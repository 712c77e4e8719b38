"""The consumers of `tests.bench.items`: a process of their own, HTTP/1.1 over kept connections, requests nearly ready.

They are cheap, because they share the machine with the hub that is measured, and honest: every answer is read whole,
its status is checked, and each item is completed with the fence that its own taking gave.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import cast
from urllib.parse import urlsplit

import orjson
import uvloop

BATCH = 100
_WARM_UP_S = 1.0


class Consumer(asyncio.Protocol):
    """One connection: the next request goes out when the answer to the last one is whole."""

    def __init__(self, host: str, key: str, *, batched: bool) -> None:
        self.done = 0
        self.ended = asyncio.Event()
        """Nothing is left to take, or the hub answered what it should not."""
        self.fault = ""
        self._head = f"Host: {host}\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n".encode()
        self._take = self._post(b"/api/v1/queues/bench/take", b'{"count":1}')
        self._next: Callable[[bytes], None] = self._worked if batched else self._taken
        self._batched = batched
        self._ended = 0
        self._seen = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the first items."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is no child of it
        self._send(self._work([]) if self._batched else self._take)

    def data_received(self, data: bytes) -> None:
        """Go on when the answer is whole."""
        self._seen += data
        head, found, body = bytes(self._seen).partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        self._seen.clear()
        if not head.startswith(b"HTTP/1.1 200"):
            self.fault = (head[:40] + body[:300]).decode(errors="replace")
            self.ended.set()
            return
        self._next(body)

    def _taken(self, body: bytes) -> None:
        items = orjson.loads(body)["items"]
        if not items:
            self.ended.set()
            return
        path = b"/api/v1/items/%s/complete" % items[0]["id"].encode()
        self._next = self._completed
        self._send(self._post(path, b'{"fence":%d,"outcome":"done"}' % items[0]["fence"]))

    def _completed(self, body: bytes) -> None:
        assert orjson.loads(body)["state"] == "done"
        self.done += 1
        self._next = self._taken
        self._send(self._take)

    def _worked(self, body: bytes) -> None:
        told = orjson.loads(body)
        assert told["completed"] == self._ended
        self.done += self._ended
        if not told["items"]:
            self.ended.set()
            return
        ended = [{"item": one["id"], "fence": one["fence"], "outcome": "done"} for one in told["items"]]
        self._ended = len(ended)
        self._send(self._work(ended))

    def _work(self, ended: list[dict[str, object]]) -> bytes:
        return self._post(b"/api/v1/queues/bench/work", orjson.dumps({"completed": ended, "take": BATCH}))

    def _post(self, path: bytes, body: bytes) -> bytes:
        return b"POST %s HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n%b" % (path, self._head, len(body), body)

    def _send(self, request: bytes) -> None:
        self._transport.write(request)


async def _consume(url: str, key: str, consumers: int, seconds: float, *, batched: bool) -> dict[str, float]:
    """What this process completed after its warm-up, and in how many seconds; less than asked if nothing was left."""
    where = urlsplit(url)
    loop = asyncio.get_running_loop()
    made = [Consumer(where.netloc, key, batched=batched) for _ in range(consumers)]
    for one in made:
        await loop.create_connection(partial(_itself, one), where.hostname or "", where.port or 0)
    await asyncio.sleep(_WARM_UP_S)
    print("warm", flush=True)
    before, began, cpu = sum(one.done for one in made), time.monotonic(), time.process_time()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.gather(*(one.ended.wait() for one in made)), seconds)
    done, took = sum(one.done for one in made) - before, time.monotonic() - began
    faults = [one.fault for one in made if one.fault]
    if faults:
        raise RuntimeError(faults[0])
    return {"done": done, "seconds": took, "cpu_s": time.process_time() - cpu}


def _itself(consumer: Consumer) -> Consumer:
    return consumer


if __name__ == "__main__":
    url_, how, consumers_, seconds_ = sys.argv[1:]
    key_ = sys.stdin.read().strip()
    work = _consume(url_, key_, int(consumers_), float(seconds_), batched=how == "batch")
    print(json.dumps(uvloop.run(work)))
