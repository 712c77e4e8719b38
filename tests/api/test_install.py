"""What a machine fetches that has no key yet: scripts and bundles (packaging.md §2); nothing of it is secret."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from tests.support.api_hub import ApiWorld

KIND = "cpython-311-x86_64-linux-gnu"
NAME = f"botyard-agent-1.0+aa-{KIND}.zip"


@pytest.fixture
def folder(world: ApiWorld) -> Path:
    """The folder of bundles, with one that this hub made."""

    async def build(folder: Path) -> str:
        folder.mkdir(exist_ok=True)
        (folder / NAME).write_bytes(b"a bundle")
        return NAME

    world.hub.bundles.build = build
    return world.hub.bundles.folder


async def fetch(world: ApiWorld, path: str) -> tuple[int, str]:
    """A GET without any credential."""
    async with world.client.get(world.url + path) as answer:
        return answer.status, await answer.text()


async def raw(world: ApiWorld, request: str) -> str:
    """What comes for these bytes, until the hub closes."""
    port = int(world.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.encode())
    answer = await reader.read()
    writer.close()
    return answer.decode()


async def test_a_machine_without_a_key_gets_the_script_of_its_hub_and_the_bundle(world: ApiWorld, folder: Path) -> None:
    status, text = await fetch(world, "/install.sh")
    assert (200, True) == (status, f"\nhub={world.url}\nhub_id={world.hub.identity.hub_id}\n" in text)
    async with world.client.get(f"{world.url}/install/bundle/{NAME}") as answer:
        assert (200, b"a bundle") == (answer.status, await answer.read())
    told = await world.get("/bundles")
    listed = told["items"]
    assert world.url == told["address"]
    assert [(KIND, "1.0+aa")] == [(one["platform"], one["version"]) for one in listed]
    assert f"{KIND} {listed[0]['sha256']} {NAME}" in text
    assert folder == world.hub.bundles.folder


async def test_only_bundles_of_the_folder_are_handed_out(world: ApiWorld, folder: Path) -> None:
    await fetch(world, "/install.sh")
    (folder / "other.zip").write_bytes(b"no bundle")
    (folder.parent / "admin-token").write_bytes(b"secret")
    names = ("other.zip", "..%2Fadmin-token", "%2E%2E", f"..%2Fbundles%2F{NAME}", ".", "%00", "botyard-agent-9-x.zip")
    for name in names:
        status, text = await fetch(world, f"/install/bundle/{name}")
        assert (name, 404) == (name, status), text


@pytest.mark.parametrize(
    "host",
    ["x;id", "x$(id)", "x`id`", "'x", 'x"', "x\\", "a b", "x@y", "-x", "x/", "x#", "x%0a", "[::1", "@HUB_ID@", "é"],
)
async def test_a_host_that_is_no_address_gets_no_script(world: ApiWorld, folder: Path, host: str) -> None:
    """Whoever asks says where the hub is: it becomes a line of a program that root runs."""
    for script in ("install.sh", "install.ps1"):
        answer = await raw(world, f"GET /{script} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
        assert " 400 " in answer.partition("\r\n")[0]
        assert "hub_id=" not in answer


async def test_a_client_of_http_1_0_gets_all_of_it_and_the_end(world: ApiWorld, folder: Path) -> None:
    """As the line for Windows asks, whose own downloads can't be told a fingerprint."""
    for path in ("/install.ps1", f"/install/bundle/{NAME}"):
        answer = await raw(world, f"GET {path} HTTP/1.0\r\nHost: hub.example:8443\r\n\r\n")
        assert " 200 " in answer.partition("\r\n")[0]
        assert "chunked" not in answer.lower()
    answer = await raw(world, "GET /install.ps1 HTTP/1.0\r\nHost: hub.example:8443\r\n\r\n")
    assert "$hub = 'http://hub.example:8443'\n" in answer


async def test_the_newest_of_each_kind_counts(world: ApiWorld, folder: Path) -> None:
    await fetch(world, "/install.sh")
    for number, name in enumerate((f"botyard-agent-2-{KIND}.zip", "botyard-agent-1-windows-x86_64.zip")):
        (folder / name).write_bytes(b"x")
        os.utime(folder / name, (2_000_000_000 + number,) * 2)
    assert {KIND: "2", "windows-x86_64": "1"} == {
        one["platform"]: one["version"] for one in (await world.get("/bundles"))["items"]
    }
    (folder / f"botyard-agent-2-{KIND}.zip").write_bytes(b"another")
    os.utime(folder / f"botyard-agent-2-{KIND}.zip", (2_000_000_005,) * 2)
    sizes = {one["platform"]: one["size_bytes"] for one in (await world.get("/bundles"))["items"]}
    assert {KIND: 7, "windows-x86_64": 1} == sizes


async def test_a_hub_that_can_make_no_bundle_hands_out_those_of_others(world: ApiWorld, folder: Path) -> None:
    async def fail(folder: Path) -> str:
        raise OSError(28, "No space left on device")

    folder.mkdir()
    (folder / "botyard-agent-1-windows-x86_64.zip").write_bytes(b"x")
    world.hub.bundles.build = fail
    status, text = await fetch(world, "/install.sh")
    assert (200, True) == (status, "\nbundles='windows-x86_64 " in text or "\nbundles=windows-x86_64" in text)


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="no shellcheck: apt install shellcheck")
async def test_the_script_is_clean_as_it_is_served(world: ApiWorld, folder: Path, tmp_path: Path) -> None:
    _, text = await fetch(world, "/install.sh")
    script = tmp_path / "install.sh"
    script.write_text(text)
    for command in (("sh", "-n"), ("shellcheck", "-s", "sh")):
        process = await asyncio.create_subprocess_exec(*command, str(script), stdout=asyncio.subprocess.PIPE)
        out, _ = await process.communicate()
        assert (command, 0, b"") == (command, process.returncode, out)
    assert len(text.splitlines()) <= 60
