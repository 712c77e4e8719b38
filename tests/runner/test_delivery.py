"""One file on its way to a hub that answers this or that (R56; `agent/artifacts/delivery.py`)."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from agent.artifacts.delivery import Delivered, Delivery, sha256_of
from agent.artifacts.walking import FoundFile, find_files
from agent.gateway_port import Forward
from agent.wire.uploads import ARTIFACT_ROUTE, OFFSET_HEADER

DATA = bytes(range(256)) * 4000


class Hub:
    """Has `have` of the file, and answers the next uploads as it is told; after that it takes them."""

    def __init__(self) -> None:
        self.have = 0
        self.statuses: list[int] = []
        self.sent: list[tuple[int, bytes]] = []
        """(first byte, body) of each upload."""
        self.url = ""
        self.epoch = 1
        self.asked_not: list[int] = []

    async def head(self, request: web.Request) -> web.Response:
        """Ask for a file."""
        del request
        return web.Response(status=404, headers={OFFSET_HEADER: str(self.have)})

    async def put(self, request: web.Request) -> web.Response:
        """Bring one."""
        body = await request.read()
        span = request.headers.get("Content-Range", "bytes 0-").removeprefix("bytes ")
        self.sent.append((int(span.partition("-")[0]), body))
        return web.Response(status=self.statuses.pop(0) if self.statuses else 201)

    async def wait_forward(self, not_epoch: int = 0) -> Forward:
        """A session; another one when the old one's ticket is dead."""
        self.asked_not.append(not_epoch)
        self.epoch = max(self.epoch, not_epoch + 1)
        return Forward(base_url=self.url, ticket="t", epoch=self.epoch, ssl_context=None)


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    """One that listens."""
    made = Hub()
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("HEAD", ARTIFACT_ROUTE, made.head)
    app.router.add_put(ARTIFACT_ROUTE, made.put)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


@pytest.fixture
async def delivery(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Delivery]:
    """What brings files, without pauses."""
    monkeypatch.setattr("agent.artifacts.delivery._FIRST_PAUSE_S", 0.001)
    made = Delivery(hub)
    yield made
    await made.close()


def found(folder: Path, data: bytes = DATA) -> FoundFile:
    """A file that a bot left."""
    (folder / "file.bin").write_bytes(data)
    (file,) = find_files(folder, [folder]).files
    return file


@pytest.mark.parametrize(
    ("have", "starts"),
    [(0, [0]), (1000, [1000]), (len(DATA) - 1, [len(DATA) - 1]), (len(DATA), [len(DATA) - 1]), (len(DATA) + 5, [0])],
)
async def test_it_is_sent_from_where_the_hub_has_it(
    hub: Hub, delivery: Delivery, tmp_path: Path, have: int, starts: list[int]
) -> None:
    hub.have = have
    file = found(tmp_path)
    assert Delivered.STORED is await delivery.deliver("exe_1", file, sha256_of(file))
    assert starts == [start for start, _ in hub.sent]
    assert DATA[starts[0] :] == hub.sent[0][1]


async def test_an_empty_file_is_sent_too(hub: Hub, delivery: Delivery, tmp_path: Path) -> None:
    file = found(tmp_path, b"")
    assert Delivered.STORED is await delivery.deliver("exe_1", file, sha256_of(file))
    assert [(0, b"")] == hub.sent


async def test_a_torn_beginning_is_sent_anew(hub: Hub, delivery: Delivery, tmp_path: Path) -> None:
    """What a power cut left at the hub may be zeros: the digest at the end says so, and the whole file comes."""
    hub.have, hub.statuses = 500, [422]
    file = found(tmp_path)
    assert Delivered.STORED is await delivery.deliver("exe_1", file, sha256_of(file))
    assert [500, 0] == [start for start, _ in hub.sent]


async def test_a_file_that_is_another_one_by_now_is_told_so(hub: Hub, delivery: Delivery, tmp_path: Path) -> None:
    file = found(tmp_path)
    digest = sha256_of(file)
    hub.statuses = [422]
    assert Delivered.CHANGED is await delivery.deliver("exe_1", file, digest)
    (tmp_path / "file.bin").write_bytes(b"short")
    assert Delivered.CHANGED is await delivery.deliver("exe_1", file, digest)
    assert 1 == len(hub.sent)


async def test_what_passes_is_tried_again_and_what_is_final_is_said(
    hub: Hub, delivery: Delivery, tmp_path: Path
) -> None:
    file = found(tmp_path)
    digest = sha256_of(file)
    hub.statuses = [409, 503, 500, 401]
    assert Delivered.STORED is await delivery.deliver("exe_1", file, digest)
    assert (5, [0, 0, 0, 0, 1]) == (len(hub.sent), hub.asked_not)
    for status in (400, 403, 404, 413, 415):
        hub.statuses = [status]
        assert f"the hub refused it ({status})" == await delivery.deliver("exe_1", file, digest)


async def test_a_growing_file_is_sent_as_it_was_found(hub: Hub, delivery: Delivery, tmp_path: Path) -> None:
    """A log that a running bot appends to: its beginning is a whole file of its own."""
    file = found(tmp_path, b"line 1\n")
    with (tmp_path / "file.bin").open("ab") as more:
        more.write(b"line 2\n")
    digest = sha256_of(file)
    assert hashlib.sha256(b"line 1\n").hexdigest() == digest
    assert Delivered.STORED is await delivery.deliver("exe_1", file, digest)
    assert [(0, b"line 1\n")] == hub.sent
