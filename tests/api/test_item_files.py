"""Files of items over HTTP: sent as they are, verified, downloaded in parts; refused before they are read."""

import asyncio
import hashlib
import logging

import pytest
from yarl import URL

from tests.support.api_hub import ApiWorld
from tests.support.waiting import eventually

SCAN = b"%PDF " + bytes(range(256)) * 4000
DIGEST = hashlib.sha256(SCAN).hexdigest()


@pytest.fixture
async def item(world: ApiWorld) -> str:
    """An item's address."""
    await world.call("POST", "/queues", json={"label": "orders"})
    _, made = await world.call("POST", "/queues/orders/items", json={"payload": {}})
    return f"/items/{made['id']}"


async def test_a_file_comes_back_as_it_went(world: ApiWorld, item: str) -> None:
    """Whole, in part, as an attachment of no type that a browser opens; listed, in the item, and gone again."""
    status, made = await world.call("PUT", f"{item}/files/scan%20%C3%A4.pdf", data=SCAN, params={"sha256": DIGEST})
    assert (status, made["name"], made["sha256"], made["size_bytes"]) == (200, "scan ä.pdf", DIGEST, len(SCAN))
    assert (await world.get(f"{item}/files"))["items"] == (await world.get(item))["files"] == [made]
    async with world.request("GET", f"{item}/files/scan%20%C3%A4.pdf", "viewer") as response:
        assert await response.read() == SCAN
        assert response.content_type == "application/octet-stream"
        assert "attachment" in response.headers["Content-Disposition"]
    async with world.request(
        "GET", f"{item}/files/scan%20%C3%A4.pdf", "viewer", headers={"Range": "bytes=5-9"}
    ) as response:
        assert (response.status, await response.read()) == (206, SCAN[5:10])
    assert (await world.call("DELETE", f"{item}/files/scan%20%C3%A4.pdf"))[0] == 200
    assert (await world.call("GET", f"{item}/files/scan%20%C3%A4.pdf"))[0] == 404


async def test_bytes_first_then_the_item_with_its_files(world: ApiWorld, item: str) -> None:
    """Whoever takes it finds them there; bytes of another workspace are not here."""
    status, kept = await world.call("POST", "/files", data=SCAN)
    assert (status, kept) == (201, {"sha256": DIGEST, "size_bytes": len(SCAN)})
    body = {"payload": {}, "files": [{"name": "scan.pdf", "sha256": DIGEST}]}
    _, made = await world.call("POST", "/queues/orders/items", json=body)
    assert [one["name"] for one in (await world.get(f"/items/{made['id']}"))["files"]] == ["scan.pdf"]
    await world.call("POST", "/queues", "foreign", json={"label": "theirs"})
    status, told = await world.call("POST", "/queues/theirs/items", "foreign", json=body)
    assert (status, told["errors"][0]["field"]) == (422, "files.0.sha256")


async def test_what_is_refused_leaves_nothing(world: ApiWorld, item: str) -> None:
    """Other bytes than announced, a name with a way out, a lease that nobody has."""
    refused: list[tuple[str, dict[str, str], int, str]] = [
        ("a.pdf", {"sha256": "0" * 64}, 422, "other_digest"),
        ("..%2Fa.pdf", {}, 422, "file"),
        ("con", {}, 422, "file"),
        ("a.pdf", {"fence": "3"}, 409, "lease_lost"),
    ]
    for name, query, status, code in refused:
        got, told = await world.call("PUT", f"{item}/files/{name}", data=SCAN, params=query)
        assert (got, told["code"]) == (status, code), name
    assert (await world.get(f"{item}/files"))["items"] == []
    uploads = world.hub.settings.data / "uploads"
    assert list(uploads.iterdir()) == []


async def test_a_file_sent_again_under_its_key_is_there_once(each_world: ApiWorld) -> None:
    """The answer was lost and the lease is over: what was done is done. Come late, it makes nothing old again."""
    world = each_world
    await world.call("POST", "/queues", json={"label": "orders", "lease_s": 60})
    await world.call("POST", "/queues/orders/items", json={"payload": {}})
    _, taken = await world.call("POST", "/queues/orders/take", json={})
    held = taken["items"][0]
    path, lease = f"/items/{held['id']}/files/a.txt", {"fence": str(held["fence"])}

    async def put(data: bytes, key: str) -> tuple[int, str]:
        status, told = await world.call("PUT", path, data=data, params=lease, headers={"Idempotency-Key": key})
        return status, told.get("sha256") or told["code"]

    first, newer = hashlib.sha256(b"first").hexdigest(), hashlib.sha256(b"newer").hexdigest()
    assert await put(b"first", "k1") == (200, first)
    assert await put(b"newer", "k2") == (200, newer)
    assert await put(b"first", "k1") == (200, first)
    assert await put(b"other", "k1") == (422, "idempotency_key_reused")
    ended = {"fence": held["fence"], "outcome": "done"}
    assert (await world.call("POST", f"/items/{held['id']}/complete", json=ended))[0] == 200
    assert await put(b"newer", "k2") == (200, newer)
    assert await put(b"third", "k3") == (409, "lease_lost")
    assert [one["sha256"] for one in (await world.get(f"/items/{held['id']}/files"))["items"]] == [newer]


async def test_a_mark_that_comes_late_changes_nothing(world: ApiWorld, item: str) -> None:
    """Its key was answered: the newer mark stays."""
    _, taken = await world.call("POST", "/queues/orders/take", json={})
    for key, mark in (("k1", 1), ("k2", 2), ("k1", 1)):
        body = {"fence": taken["items"][0]["fence"], "progress": mark}
        told = await world.call("PUT", f"{item}/progress", json=body, headers={"Idempotency-Key": key})
        assert (told[0], told[1]["progress"]) == (200, mark)
    assert (await world.get(item))["progress"] == 2


async def test_a_client_that_cuts_a_file_is_no_fault_of_the_hubs(
    world: ApiWorld, item: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A line that says so, and nothing kept; no traceback wakes anybody."""
    caplog.set_level(logging.INFO)
    address = URL(world.url)
    _, writer = await asyncio.open_connection(address.host, address.port)
    lines = (f"PUT /api/v1{item}/files/a.pdf HTTP/1.1", "Host: x", "Content-Length: 100")
    writer.write("\r\n".join([*lines, f"Authorization: Bearer {world.secrets['admin']}", "", "begun"]).encode())
    uploads = world.hub.settings.data / "uploads"
    await eventually(lambda: uploads.is_dir() and any(uploads.iterdir()))
    writer.close()
    await eventually(lambda: "was cut" in caplog.text)
    await eventually(lambda: not any(uploads.iterdir()))
    assert [one for one in caplog.records if one.levelno >= logging.ERROR] == []
