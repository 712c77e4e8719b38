"""What a bot without an SDK says by loopback: one ``curl`` line a call (`bot-packages.md` §7)."""

import json
from asyncio import open_connection
from typing import Any

import pytest

from agent.wire.limits import ROW_COLUMNS_MAX, ROW_MAX_BYTES
from tests.support.gateway import SECRET, TOKEN, GatewayWorld
from tests.support.waiting import eventually

BEARER = {"Authorization": f"Bearer {TOKEN}"}
FORM = {**BEARER, "Content-Type": "application/x-www-form-urlencoded"}


async def post(world: GatewayWorld, path: str, body: object, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    """A POST of JSON, or of bytes as they are."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = BEARER | {"Content-Type": "application/json"}
    return await world.call("POST", f"/bot/v1/{path}", data=data, headers=headers or kind)


@pytest.fixture(autouse=True)
def hub_away(world: GatewayWorld) -> None:
    """None of these calls needs the hub."""
    world.daemon.close_session()


@pytest.mark.parametrize(
    ("body", "headers", "told"),
    [
        ({"percent": 40, "text": "invoice 17"}, None, (40.0, "invoice 17")),
        ({"percent": 0.5}, None, (0.5, "")),
        ({"percent": None, "text": "x"}, None, (None, "x")),
        (b"percent=40&text=invoice+17%20of", FORM, (40.0, "invoice 17 of")),
        (b'{"percent": 7}', FORM, (7.0, "")),
        (b"text=%C3%A4", FORM, (None, "ä")),
    ],
)
async def test_progress_is_noted(
    world: GatewayWorld, body: object, headers: dict[str, str] | None, told: tuple[float | None, str]
) -> None:
    """POST /progress, as JSON or as a form; `curl -d '{…}'` calls JSON a form."""
    assert await post(world, "progress", body, headers) == (202, {"percent": told[0]})
    assert [told] == world.daemon.progress
    assert world.daemon.spoken == 1


@pytest.mark.parametrize(
    ("body", "headers", "columns"),
    [
        (
            {"log": "parcels", "columns": {"n": 1, "w": 2.5, "ok": True, "none": None, SECRET: f"a {SECRET}"}},
            None,
            {"n": 1, "w": 2.5, "ok": True, "none": None, "***": "a ***"},
        ),
        (b"log=parcels&n=1&w=", FORM, {"n": "1", "w": ""}),
    ],
)
async def test_a_row_is_recorded(
    world: GatewayWorld, body: object, headers: dict[str, str] | None, columns: dict[str, Any]
) -> None:
    """POST /log: in the spool when it is answered, types kept, secrets masked in names and values."""
    assert await post(world, "log", body, headers) == (202, {"log": "parcels"})
    (row,) = world.daemon.rows
    assert ("parcels", columns) == (row.log, row.columns)


async def test_a_number_that_is_a_secret_is_masked(world: GatewayWorld) -> None:
    """S15: a secret parameter may be a number; in a column it would stand in the clear."""
    world.daemon.bot.mask = lambda text: text.replace("471108", "***")  # type: ignore[method-assign]
    await post(world, "log", {"log": "l", "columns": {"pin": 471108, "n": 5}})
    assert {"pin": "***", "n": 5} == world.daemon.rows[0].columns


@pytest.mark.parametrize(
    ("body", "headers", "outputs"),
    [
        ({"total": 40, "ok": True, "text": f"a {SECRET}"}, None, {"total": "40", "ok": "true", "text": "a ***"}),
        (b"total=40&text=two%0Alines", FORM, {"total": "40", "text": "two\nlines"}),
    ],
)
async def test_outputs_are_kept(
    world: GatewayWorld, body: object, headers: dict[str, str] | None, outputs: dict[str, str]
) -> None:
    """POST /outputs: as the file's, values are texts."""
    assert await post(world, "outputs", body, headers) == (202, {"outputs": list(outputs)})
    assert outputs == world.daemon.outputs


async def test_a_form_can_be_a_result(world: GatewayWorld) -> None:
    """POST /result with `curl -d status=…`."""
    body = b"status=partial&message=two+left&total=40&processed=38&failed=2"
    assert await post(world, "result", body, FORM) == (202, {"status": "partial", "late": False})
    (report,) = world.daemon.reports
    assert ("two left", 40, 2) == (report.message, report.totals and report.totals.total, report.totals.failed)  # type: ignore[union-attr]


WRONG = [
    ("progress", {}, "percent", "missing"),
    ("progress", {"percent": 101}, "percent", "must be a number from 0 to 100"),
    ("progress", {"percent": True}, "percent", "must be a number from 0 to 100"),
    ("progress", {"percent": "40"}, "percent", "must be a number from 0 to 100"),
    ("progress", {"text": 7}, "text", "must be a text"),
    ("progress", {"percent": 4, "speed": 1}, "speed", "unknown member; percent and text can be sent"),
    ("progress", b'{"percent": NaN}', "", "NaN is no number of JSON"),
    ("progress", b'{"percent": 1, "percent": 2}', "percent", "stands twice"),
    ("progress", b"[1]", "", "must be a JSON object"),
    ("progress", b"forty", "", "neither a JSON object nor a form"),
    ("progress", b"[" * 9999, "", "neither a JSON object nor a form"),
    ("log", {}, "log", "missing"),
    ("log", {"log": "", "columns": {"a": 1}}, "log", "must be a text of 1 to 128 characters"),
    ("log", {"log": "l"}, "columns", "must be an object that names at least one column"),
    ("log", {"log": "l", "columns": [1]}, "columns", "must be an object that names at least one column"),
    ("log", {"log": "l", "columns": {"a": [1]}}, "columns.a", "must be a text, a number, true, false or null"),
    ("log", {"log": "l", "columns": {"": 1}}, "columns", "is no name of 1 to 128 characters"),
    ("log", b'{"log": "l", "columns": {"a": 1e999}}', "columns.a", "is too large for a number"),
    ("log", {"log": "l", "number": 1}, "number", "unknown member; log and columns can be sent"),
    ("log", {"log": "l", "columns": dict.fromkeys(map(str, range(ROW_COLUMNS_MAX + 1)))}, "columns", "100 at most"),
    ("outputs", {}, "", "No output is named"),
    ("outputs", {"a": None}, "a", "must be a text, a number, true or false"),
    ("outputs", {" ": "x"}, "' '", "the name is empty"),
    ("outputs", {"a\nb": "x"}, "'a\\nb'", "a name cannot hold a line break"),
    ("result", {"status": "great"}, "", "status"),
    ("result", {"totals": 4}, "", "totals"),
]


@pytest.mark.parametrize(("path", "body", "field", "why"), WRONG)
async def test_what_is_wrong_is_named_and_nothing_is_kept(
    world: GatewayWorld, path: str, body: object, field: str, why: str
) -> None:
    """Problem+json with one sentence that names the field."""
    status, answer = await post(world, path, body)

    assert status == 400
    assert why in answer["detail"]
    assert field == (answer["errors"][0]["field"] if "errors" in answer else "")
    assert not field or answer["detail"].startswith(f"{field}: ")
    kept = (world.daemon.rows, world.daemon.progress, world.daemon.outputs, world.daemon.reports)
    assert ([], [], {}, []) == kept
    assert world.daemon.spoken == 0


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"percent=many", "must be a number"),
        (b"percent=40&percent=41", "stands twice"),
        (b"%zz", "neither a JSON object nor a form"),
    ],
)
async def test_a_wrong_form_is_named_too(world: GatewayWorld, body: bytes, why: str) -> None:
    """The same sentences."""
    status, answer = await post(world, "progress", body, FORM)
    assert status == 400
    assert why in answer["detail"]


async def test_limits_are_answers(world: GatewayWorld) -> None:
    """G8: bodies, rows and the disk have an end; what was kept stays."""
    large = {"log": "l", "columns": {"a": "x" * ROW_MAX_BYTES}}
    assert (await post(world, "log", large))[0] == 413
    world.daemon.rows_max = 1
    assert (await post(world, "log", {"log": "l", "columns": {"a": 1}}))[0] == 202
    status, answer = await post(world, "log", {"log": "l", "columns": {"a": 1}})
    assert (status, answer["detail"]) == (429, "no more rows are kept")
    world.daemon.spool_full = True
    status, answer = await post(world, "outputs", {"a": 1})
    assert (status, answer["detail"]) == (507, "The runner's disk has no room for this")
    assert len(world.daemon.rows) == 1


@pytest.mark.parametrize("path", ["progress", "log", "outputs", "result", "artifacts"])
async def test_a_dead_token_says_nothing(world: GatewayWorld, path: str) -> None:
    """S10: 401 whatever the body is."""
    status, answer = await post(world, path, {"percent": 1}, {"Authorization": "Bearer wrong"})
    assert (status, answer["status"]) == (401, 401)


# --- secrets ---------------------------------------------------------------------------------------------------------


async def test_a_secret_is_masked_before_it_is_given(world: GatewayWorld) -> None:
    """`core.md` §3: installed in the shim before the bot has it."""
    world.daemon.bot.secrets = {"pin": "4711-ä", "port": 90210}
    async with world.client.get(world.url + "/bot/v1/secrets/pin", headers=BEARER) as answer:
        assert (answer.status, await answer.text(), answer.content_type) == (200, "4711-ä", "text/plain")
        assert answer.headers["Cache-Control"] == "no-store"
    assert ["4711-ä"] == world.daemon.masks

    asked = await world.call("GET", "/bot/v1/secrets/port", headers=BEARER | {"Accept": "application/json"})
    assert asked == (200, {"name": "port", "value": 90210})
    assert ["4711-ä", "90210"] == world.daemon.masks


async def test_a_secret_that_cannot_be_masked_is_not_given(world: GatewayWorld) -> None:
    """`core.md` §3: shim unreachable: no secret, 503."""
    world.daemon.bot.secrets = {"pin": "4711"}
    world.daemon.masks_fail = True
    status, answer = await world.call("GET", "/bot/v1/secrets/pin", headers=BEARER)
    assert status == 503
    assert "4711" not in str(answer)


async def test_an_unknown_secret_is_404_with_the_names_that_there_are(world: GatewayWorld) -> None:
    """A parameter that is no secret is read from the parameters."""
    world.daemon.bot.secrets = {"pin": "4711", "other": "x"}
    status, answer = await world.call("GET", "/bot/v1/secrets/month", headers=BEARER)
    assert (status, answer["detail"]) == (404, "This task has no secret of that name; it has: other, pin")
    assert [] == world.daemon.masks


# --- files -----------------------------------------------------------------------------------------------------------


def form(*files: tuple[str, bytes], name: str = "") -> tuple[bytes, dict[str, str]]:
    """A multipart body as curl sends it."""
    parts = [f'--B\r\nContent-Disposition: form-data; name="name"\r\n\r\n{name}\r\n'.encode()] if name else []
    for file, data in files:
        head = f'--B\r\nContent-Disposition: form-data; name="file"; filename="{file}"\r\n\r\n'
        parts.append(head.encode() + data + b"\r\n")
    return b"".join(parts) + b"--B--\r\n", BEARER | {"Content-Type": "multipart/form-data; boundary=B"}


async def test_files_are_taken_whole_and_under_their_names(world: GatewayWorld) -> None:
    """POST /artifacts: `curl -F file=@a.csv -F file=@b.csv`; a field `name` before a file names it."""
    large = bytes(range(256)) * 4000
    body, headers = form(("a.csv", b"1,2"), ("b.bin", large), name="out/first.csv")

    status, answer = await post(world, "artifacts", body, headers)

    assert (status, answer) == (
        202,
        {"artifacts": [{"name": "out/first.csv", "size_bytes": 3}, {"name": "b.bin", "size_bytes": len(large)}]},
    )
    assert {"out/first.csv": b"1,2", "b.bin": large} == world.daemon.artifacts
    assert world.daemon.spoken == 1
    assert [] == list((world.folder / "uploads").iterdir())


async def test_a_file_may_be_put(world: GatewayWorld) -> None:
    """PUT /artifacts/NAME: `curl -T`, and PowerShell's -InFile."""
    answered = await world.call("PUT", "/bot/v1/artifacts/logs/day%201.txt", data=b"x", headers=BEARER)
    assert answered == (202, {"artifacts": [{"name": "logs/day 1.txt", "size_bytes": 1}]})
    assert {"logs/day 1.txt": b"x"} == world.daemon.artifacts


@pytest.mark.parametrize("name", ["../x", "a\\b", "C:x", "con", "a/../../b"])
async def test_a_file_that_would_lie_elsewhere_is_refused_with_all_of_its_request(
    world: GatewayWorld, name: str
) -> None:
    """S38: names mean the same on every system, or nothing; never a half-done change."""
    body, headers = form(("good.txt", b"1"), (name.replace("\\", "\\\\"), b"2"))
    status, answer = await post(world, "artifacts", body, headers)
    assert status == 400
    assert answer["errors"][0]["field"] == "name"
    assert {} == world.daemon.artifacts
    assert [] == list((world.folder / "uploads").iterdir())


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"x", BEARER | {"Content-Type": "text/csv"}, 415),
        (b"no boundary", BEARER | {"Content-Type": "multipart/form-data; boundary=B"}, 400),
        (b"no boundary", BEARER | {"Content-Type": "multipart/form-data"}, 400),
        (form()[0], form()[1], 400),
        (b'--B\r\nContent-Disposition: form-data; name="x"\r\n\r\n' + b"y" * 9000 + b"\r\n--B--\r\n", form()[1], 400),
        (b'--B\r\nContent-Disposition: form-data; filename="x"\r\n\r\nendless', form()[1], 400),
    ],
)
async def test_a_body_that_holds_no_file_is_refused_in_words(
    world: GatewayWorld, body: bytes, headers: dict[str, str], status: int
) -> None:
    """The sentence shows how it is done."""
    answered, answer = await post(world, "artifacts", body, headers)
    assert answered == status
    assert answer["detail"]
    assert {} == world.daemon.artifacts


async def test_a_caller_that_hangs_up_leaves_nothing(world: GatewayWorld) -> None:
    """The draft goes with the call."""
    port = int(world.url.rpartition(":")[2])
    _, writer = await open_connection("127.0.0.1", port)
    head = f"PUT /bot/v1/artifacts/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 99\r\n\r\n"
    writer.write(head.encode() + b"half")
    await writer.drain()
    drafts = world.folder / "uploads"
    await eventually(lambda: drafts.is_dir() and any(drafts.iterdir()), saying="the draft was never begun")

    writer.close()

    await eventually(lambda: not any(drafts.iterdir()), saying="the draft stayed")
    assert {} == world.daemon.artifacts
