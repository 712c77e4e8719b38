"""Deploying over HTTP: streamed to a private file, told at once what is wrong, watched until it is prepared."""

import io
import zipfile
from typing import Any

import pytest

from hub.api import uploads
from tests.support.api_hub import RUNNER, ApiWorld


def package(files: dict[str, str]) -> bytes:
    """A zip of these files."""
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return raw.getvalue()


GREETER = {"main.py": "print('hello')\n", "VERSION": "1.0\n", "botyard.toml": 'needs = { os = "linux" }\n'}


async def deploy(world: ApiWorld, data: bytes, **query: str) -> tuple[int, Any]:
    """Upload a package."""
    return await world.call("POST", "/builds", params={"name": "greeter.zip"} | query, data=io.BytesIO(data))


async def test_a_package_becomes_a_build_a_bot_and_an_automation(each_world: ApiWorld) -> None:
    """design.md §5: "makes an automation of the bot's name unless there is one"; §1: needs come from `botyard.toml`."""
    status, made = await deploy(each_world, package(GREETER))
    assert (201, False, "greeter") == (status, made["is_known"], made["automation"])
    assert ("greeter", "1.0", "ready", "python") == tuple(made["build"][n] for n in ("bot", "version", "state", "kind"))
    assert {"os": "linux"} == (await each_world.get("/automations/greeter"))["needs"]
    status, again = await deploy(each_world, package(GREETER))
    assert (201, True, made["build"]["id"]) == (status, again["is_known"], again["build"]["id"])


async def test_other_bytes_under_a_used_version_are_a_conflict(world: ApiWorld) -> None:
    """design.md §1: 409."""
    await deploy(world, package(GREETER))
    status, problem = await deploy(world, package(GREETER | {"main.py": "print('other')\n"}))
    assert (409, "version_used") == (status, problem["code"])


@pytest.mark.parametrize(
    ("data", "query", "status"),
    [
        (b"", {}, 400),
        (b"PK\x03\x04 torn", {}, 422),
        (package({"../evil.py": "x"}), {}, 422),
        (package({"readme.txt": "nothing to start"}), {}, 422),
        (package(GREETER), {"kind": "cobol"}, 422),
        (package(GREETER), {"args": "not json"}, 400),
        (package(GREETER), {"bot": "../up"}, 422),
        (package(GREETER), {"colour": "blue"}, 400),
    ],
)
async def test_what_can_not_be_a_build_is_refused_and_leaves_nothing(
    world: ApiWorld, data: bytes, query: dict[str, str], status: int
) -> None:
    """S24, S38; issue 2 part 6: a wrong package fails before a robot gets it."""
    got, problem = await deploy(world, data, **query)
    assert status == got, problem
    assert problem["detail"]
    assert 404 == (await world.call("GET", "/bots/greeter"))[0]
    folder = world.hub.settings.data / "uploads"
    assert not folder.exists() or [] == list(folder.iterdir())


async def test_a_package_that_is_too_large_is_refused_while_it_comes(
    world: ApiWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S39."""
    monkeypatch.setattr(uploads, "UPLOAD_MAX_BYTES", 100_000)
    status, problem = await deploy(world, b"x" * 3_000_000)
    assert (413, "too_large") == (status, problem["code"])
    assert [] == list((world.hub.settings.data / "uploads").iterdir())


async def test_the_way_of_a_build_to_the_runners_is_shown(world: ApiWorld) -> None:
    """Issue 2 part 6: states, progress and readiness."""
    _, made = await deploy(world, package(GREETER | {"botyard.toml": ""}))
    build = made["build"]
    path = f"/bots/greeter/builds/{build['id']}"
    shown = await world.get(path)
    assert (1, 0, []) == (shown["fit_runners"], shown["prepared_runners"], shown["preparations"])
    told = {"runner_id": RUNNER, "build_id": build["id"], "state": "installing", "progress": 0.5, "message": "pandas"}
    await world.insert("preparations", updated_at=world.clock.now(), **told)
    (on_desk,) = (await world.get(path))["preparations"]
    assert ("desk-1", "installing", 0.5, "pandas", True) == tuple(
        on_desk[name] for name in ("runner", "state", "progress", "message", "is_connected")
    )
    status, released = await world.call("POST", f"{path}/release")
    assert (200, True) == (status, released["is_released"])
    assert "1.0" == (await world.get("/bots/greeter"))["released_version"]
    assert [True] == [one["is_released"] for one in (await world.get("/bots/greeter/builds"))["items"]]


async def test_a_build_that_is_not_ready_can_not_be_released(world: ApiWorld) -> None:
    data = package(GREETER | {"requirements.txt": "six\n"})
    _, made = await deploy(world, data)
    assert "received" == made["build"]["state"]
    status, problem = await world.call("POST", f"/bots/greeter/builds/{made['build']['id']}/release")
    assert (409, "build_not_ready") == (status, problem["code"])


async def test_a_build_is_found_through_its_own_bot_only(world: ApiWorld) -> None:
    _, made = await deploy(world, package(GREETER))
    assert 404 == (await world.call("GET", f"/bots/invoices/builds/{made['build']['id']}"))[0]
