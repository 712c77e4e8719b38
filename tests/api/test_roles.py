"""Who may call what: one hand-written table, role x route x own or foreign workspace (S7, S35).

A route that is not in the table fails the first test; a line of the table whose route is gone fails it too.
"""

from dataclasses import dataclass, field
from typing import Any

import pytest

from hub.api import ROUTES
from hub.domain.access import Caller, Role, SecretKind
from hub.services import access, enrolment
from hub.services.enrolment import NewEnrolment
from hub.storage.transaction import Done, Transaction
from tests.support.api_hub import EXECUTION, ApiWorld


@dataclass(frozen=True, kw_only=True)
class Line:
    """What each caller gets: the four roles at home, and an admin of another workspace on the same path."""

    route: str
    viewer: int
    operator: int
    developer: int
    admin: int
    foreign: int
    body: dict[str, Any] = field(default_factory=dict)
    empty: bool = False
    """The foreign admin gets a listing of its own workspace, which is empty."""


def reads(route: str, foreign: int = 404, *, empty: bool = False, **body: Any) -> Line:
    """All four may."""
    return Line(
        route=route, viewer=200, operator=200, developer=200, admin=200, foreign=foreign, empty=empty, body=body
    )


def from_operator(route: str, status: int = 200, foreign: int = 404, **body: Any) -> Line:
    """A viewer may not."""
    return Line(route=route, viewer=403, operator=status, developer=status, admin=status, foreign=foreign, body=body)


def from_developer(route: str, status: int = 200, foreign: int = 404, **body: Any) -> Line:
    """Viewer and operator may not."""
    return Line(route=route, viewer=403, operator=403, developer=status, admin=status, foreign=foreign, body=body)


def from_admin(route: str, status: int = 200, foreign: int = 404, *, empty: bool = False, **body: Any) -> Line:
    """Only an admin may."""
    return Line(
        route=route, viewer=403, operator=403, developer=403, admin=status, foreign=foreign, body=body, empty=empty
    )


def removes(route: str, operator: int = 404) -> Line:
    """The admin is asked first, and removes it."""
    return Line(route=route, viewer=403, operator=operator, developer=404, admin=200, foreign=404)


BYTES = frozenset({"POST /files", "PUT /items/{item}/files/{file}"})
"""Calls whose body is a file."""

TABLE = (
    # who am I
    reads("GET /me", foreign=200),
    # documents, while the other workspace has none yet
    reads("GET /export", foreign=200, empty=True),
    # tasks
    reads("GET /tasks", foreign=200, empty=True),
    from_operator("POST /tasks", status=201, automation="invoices"),
    reads("GET /tasks/{task}"),
    reads("GET /tasks/{task}/executions"),
    reads("GET /tasks/{task}/log"),
    reads("GET /tasks/{task}/why"),
    reads("GET /tasks/{task}/timeline"),
    from_operator("POST /tasks/{task}/interrupt"),
    from_operator("POST /tasks/{task}/restart"),
    from_operator("POST /tasks/{task}/kill"),
    from_operator("POST /tasks/{task}/cancel"),
    from_operator("POST /tasks/{task}/release-held", status=409),
    from_operator("POST /tasks/{task}/give-up", status=409),
    from_operator("POST /held/release", foreign=200),
    reads("GET /tasks/{task}/late-reports"),
    from_operator("POST /tasks/{task}/late-reports/{report}/accept", status=404),
    from_operator("PATCH /tasks/{task}/limits", status=409, run_limit_s=60),
    # output
    reads("GET /tasks/{task}/output"),
    reads("GET /tasks/{task}/output/raw"),
    # artifacts
    reads("GET /tasks/{task}/artifacts"),
    from_operator("POST /tasks/{task}/artifacts/collect", status=409),
    reads("GET /artifacts/{artifact}"),
    reads("GET /artifacts/{artifact}/file"),
    reads("GET /artifacts/{artifact}/preview"),
    # automations
    reads("GET /automations", foreign=200, empty=True),
    reads("GET /automations/{automation}"),
    from_developer("POST /automations", status=201, label="made-by-{who}", bot="invoices"),
    from_developer("PATCH /automations/{automation}", priority=7),
    # queues and items
    reads("GET /queues", foreign=200, empty=True),
    reads("GET /queues/{queue}"),
    from_developer("POST /queues", status=201, foreign=201, label="made-by-{who}"),
    from_developer("PATCH /queues/{queue}", lease_s=300),
    from_operator("POST /queues/{queue}/pause"),
    from_operator("POST /queues/{queue}/resume"),
    from_operator("POST /queues/{queue}/items", status=201, payload={"by": "{who}"}),
    from_operator("POST /queues/{queue}/items/bulk", status=201, items=[{"payload": {}}]),
    reads("GET /queues/{queue}/items"),
    from_operator("POST /queues/{queue}/take", count=1),
    from_operator("POST /queues/{queue}/work", take=1),
    from_operator("POST /queues/{queue}/requeue", reference="none"),
    from_operator("POST /queues/{queue}/cancel", reference="none"),
    from_operator("POST /queues/{queue}/move", to="second", reference="none"),
    reads("GET /items/{item}"),
    from_operator("PATCH /items/{item}", priority=7),
    from_operator("POST /items/{item}/complete", status=409, fence=99, outcome="done"),
    from_operator("POST /items/{item}/renew", status=409, fence=99),
    from_operator("PUT /items/{item}/progress", status=409, fence=99, progress=1),
    from_operator("POST /items/{item}/once/{effect}", status=409, fence=99),
    from_operator("POST /items/{item}/cancel"),
    from_operator("POST /items/{item}/requeue"),
    reads("GET /dead-letters", foreign=200, empty=True),
    from_operator("POST /files", status=201, foreign=201),
    reads("GET /items/{item}/files"),
    from_operator("PUT /items/{item}/files/{file}"),
    reads("GET /items/{item}/files/{file}"),
    removes("DELETE /items/{item}/files/{file}"),
    from_operator("POST /queues/{queue}/batches", status=201),
    from_operator("POST /batches/{batch}/items", start=0, items=[{"payload": {}}]),
    from_operator("POST /batches/{batch}/show"),
    from_operator("DELETE /batches/{batch}", status=409),
    from_developer("DELETE /queues/{queue}", status=409),
    # resources
    reads("GET /resources", foreign=200, empty=True),
    reads("GET /resources/{resource}"),
    from_developer("POST /resources", status=201, foreign=201, label="made-by-{who}", capacity=1),
    from_developer("PATCH /resources/{resource}", capacity=2),
    from_developer("DELETE /resources/{resource}", status=409),
    # breakers: made by whoever names one, in its own workspace
    reads("GET /breakers", foreign=200, empty=True),
    reads("GET /breakers/{breaker}"),
    from_developer("PATCH /breakers/{breaker}", foreign=200, threshold=3),
    from_operator("POST /breakers/{breaker}/open", foreign=200, why="maintenance"),
    from_operator("POST /breakers/{breaker}/close", foreign=200),
    # triggers and calendars
    reads("GET /triggers", foreign=200, empty=True),
    reads("GET /triggers/{trigger}"),
    reads("GET /triggers/{trigger}/history"),
    reads("GET /triggers/{trigger}/preview"),
    Line(route="GET /triggers/{trigger}/matches", viewer=409, operator=409, developer=409, admin=409, foreign=404),
    from_developer("POST /event-preview", foreign=200, definition={"kind": "event", "on": ["task.settled"]}),
    from_developer(
        "POST /triggers", status=201, label="made-by-{who}", automation="invoices", definition={"every": "1h"}
    ),
    from_developer("PATCH /triggers/{trigger}", name="other"),
    from_developer("POST /triggers/{trigger}/secret", status=409),
    from_operator("POST /triggers/{trigger}/pause"),
    from_operator("POST /triggers/{trigger}/resume"),
    from_operator("POST /triggers/{trigger}/fire", status=201),
    removes("DELETE /triggers/{trigger}", operator=403),
    reads("POST /trigger-preview", foreign=200, definition={"cron": "* * * * *"}),
    reads("GET /calendars", foreign=200, empty=True),
    reads("GET /calendars/{calendar}"),
    reads("GET /calendars/{calendar}/days"),
    from_developer("POST /calendars", status=201, foreign=201, label="made-by-{who}"),
    from_developer("PATCH /calendars/{calendar}", name="other"),
    removes("DELETE /calendars/{calendar}", operator=403),
    # documents: each kind asks for what its own route asks for
    from_developer("POST /apply", foreign=200, documents=[{"kind": "queue", "label": "applied"}]),
    reads("GET /apply/schema", foreign=200),
    # bots and builds
    reads("GET /bots", foreign=200, empty=True),
    reads("GET /bots/{bot}"),
    reads("GET /bots/{bot}/builds"),
    reads("GET /bots/{bot}/builds/{build}"),
    from_developer("POST /bots/{bot}/builds/{build}/release"),
    from_developer("POST /builds", status=201, foreign=201),
    # runners
    reads("GET /runners", foreign=200, empty=True),
    reads("GET /runners/{runner}"),
    from_operator("POST /runners/{runner}/drain"),
    from_operator("POST /runners/{runner}/resume"),
    reads("GET /runners/{runner}/windows"),
    from_operator("POST /runners/{runner}/windows", status=201, ends_at="2030-06-01T00:00:00Z", reason="updates"),
    removes("DELETE /runners/{runner}/windows/{window}"),
    # desktops: what is on them can't be masked, so viewers see none (here the runner is not linked)
    from_operator("GET /runners/{runner}/desktops/{slot}/screenshot", status=409),
    from_operator("GET /runners/{runner}/desktops/{slot}/live", status=409),
    from_operator("POST /runners/{runner}/desktops/{slot}/views", status=409),
    from_admin("POST /runners/{runner}/revoke"),
    from_admin("GET /enrolment-tokens", foreign=200, empty=True),
    from_admin("POST /enrolment-tokens", status=201, foreign=201, labels={"room": "a"}),
    from_admin("POST /enrolment-tokens/{token}/revoke"),
    # bundles. That a bare machine may fetch them, and /install.sh and /install.ps1, without any key is meant: it has
    # none yet, and they hold none. They are this program, the address that the asker itself dialled, the hub's id and
    # the certificate that the hub shows to all; who is let in is the token's affair (tests/api/test_install.py).
    from_admin("GET /bundles", foreign=200),
    # the feed
    reads("GET /events", foreign=200),
    # keys
    from_admin("GET /keys", foreign=200),
    from_admin("POST /keys", status=201, foreign=201, name="made by {who}"),
    from_admin("POST /keys/{key}/revoke"),
    # workspaces: instance admins only, which is more than a role
    from_admin("GET /workspaces", status=403, foreign=403),
    from_admin("POST /workspaces", status=403, foreign=403, label="third"),
)
WHO = ("viewer", "operator", "developer", "admin", "foreign")


def test_every_route_stands_in_the_table() -> None:
    """S7: default deny, all routes enumerated."""
    declared = {f"{route.method} {route.path}" for route in ROUTES}
    assert declared == {line.route for line in TABLE}
    assert len(TABLE) == len({line.route for line in TABLE})


def test_no_route_is_open_to_all() -> None:
    assert [] == [route.path for route in ROUTES if route.spec.role is None]


@pytest.fixture
async def things(world: ApiWorld) -> dict[str, str]:
    """One of each thing, in the first workspace."""
    await world.call("POST", "/resources", json={"label": "sap", "capacity": 9})
    await world.call("PATCH", "/automations/invoices", json={"uses": {"sap": 1}})
    await world.call("PATCH", "/breakers/sap", json={"threshold": 9})
    task = await world.new_task()
    await world.call("POST", "/calendars", json={"label": "ours"})
    hourly = {"label": "hourly", "automation": "invoices", "definition": {"cron": "0 * * * *"}, "calendar": "ours"}
    await world.call("POST", "/triggers", json=hourly)
    token = await world.store.write(
        enrolment.create, world.admin, NewEnrolment(), access.new_secret(SecretKind.ENROLMENT)
    )
    planned = {"ends_at": "2030-06-01T00:00:00Z", "reason": "updates"}
    _, window = await world.call("POST", "/runners/desk-1/windows", json=planned)
    keys = (await world.get("/keys"))["items"]
    for queue in ("work", "second"):
        await world.call("POST", "/queues", json={"label": queue})
    _, item = await world.call("POST", "/queues/second/items", json={"payload": {}})
    await world.call("PUT", f"/items/{item['id']}/files/scan.pdf", data=b"a scan")
    _, batch = await world.call("POST", "/queues/second/batches")
    return {
        "queue": "work",
        "item": item["id"],
        "file": "scan.pdf",
        "batch": batch["id"],
        "effect": "pay",
        "task": task["id"],
        "artifact": str(await world.attach(task, "report.txt", b"all is well\n")),
        "automation": "invoices",
        "bot": "invoices",
        "build": "1",
        "runner": "desk-1",
        "slot": "0",
        "window": window["id"],
        "resource": "sap",
        "breaker": "sap",
        "trigger": "hourly",
        "calendar": "ours",
        "token": token.id,
        "report": "lrp_" + "0" * 32,
        "key": next(key["id"] for key in keys if key["name"] == "short"),
    }


async def ask(world: ApiWorld, line: Line, things: dict[str, str], who: str) -> tuple[int, Any]:
    """The call of a line, as `who`."""
    method, _, template = line.route.partition(" ")
    options: dict[str, Any] = {}
    if line.route == "POST /builds":
        options = {"params": {"name": "solo.py"}, "data": b"print('solo')\n"}
    elif line.route in BYTES:
        options = {"data": b"a scan"}
    elif line.body:
        said = {key: value.format(who=who) if isinstance(value, str) else value for key, value in line.body.items()}
        options = {"json": said}
    async with world.request(method, template.format(**things), who, **options) as response:
        body = await response.read()
        return response.status, body if response.content_type == "application/octet-stream" else await response.json(
            content_type=None
        )


async def test_each_role_gets_what_the_table_says(world: ApiWorld, things: dict[str, str]) -> None:
    """S35: viewer < operator < developer < admin, and nothing of another workspace, not even that it is there."""
    for line in TABLE:
        got = {}
        for who in reversed(WHO):  # the foreign admin first: it must not find what is still there and whole
            status, body = await ask(world, line, things, who)
            got[who] = status
            if who == "foreign" and line.empty:
                assert [] == body["items"], line.route
            if status == 403:
                assert body["code"] == "role", line.route
        assert (line.route, {who: getattr(line, who) for who in WHO}) == (line.route, got)


async def test_no_other_credential_opens_anything(world: ApiWorld, things: dict[str, str]) -> None:
    """S7: none, noise, expired, revoked, and good ones of a wrong kind are all 401 on every route."""
    admin = world.secrets["admin"]
    bearers = {
        "noise": "byk_" + "a" * 59,
        "empty": "",
        "expired": world.secrets["short"],
        "revoked": world.secrets["revoked"],
        "enrolment": await _enrolment_token(world),
        "access": await _access_token(world),
        "ticket": "f" * 64,
    }
    headers = {name: {"Authorization": f"Bearer {secret}"} for name, secret in bearers.items()}
    headers |= {"none": {}, "basic": {"Authorization": "Basic YTpi"}, "bare": {"Authorization": admin}}
    for line in TABLE:
        method, _, template = line.route.partition(" ")
        for name, sent in headers.items():
            url = f"{world.url}/api/v1{template.format(**things)}"
            async with world.client.request(method, url, headers=sent) as response:
                assert (line.route, name, 401) == (line.route, name, response.status)
                assert "Bearer" in response.headers["WWW-Authenticate"]
                assert (await response.json(content_type=None))["code"] == "unauthenticated"


async def test_what_no_route_names_is_refused_and_only_after_the_token(world: ApiWorld) -> None:
    """S7: default deny."""
    async with world.client.get(f"{world.url}/api/v1/secrets") as response:
        assert 401 == response.status
    assert (404, "no_route") == _short(await world.call("GET", "/secrets"))
    assert (405, "method") == _short(await world.call("DELETE", "/tasks"))
    assert (404, "no_route") == _short(await world.call("GET", "/tasks/../keys/x/y"))


async def test_the_events_of_a_workspace_stay_in_it(world: ApiWorld, things: dict[str, str]) -> None:
    """S35: the feed has one position for the whole hub, and shows each workspace its own rows."""
    own = {event["subject"] for event in (await world.get("/events?limit=1000"))["items"]}
    foreign = {event["subject"] for event in (await world.get("/events?limit=1000", "foreign"))["items"]}
    assert things["task"] in own
    assert not own & foreign


async def test_the_output_of_a_task_is_found_through_its_own_task_only(world: ApiWorld, things: dict[str, str]) -> None:
    """S35: an execution's id opens nothing by itself."""
    await world.begin(things["task"])
    world.print(b"hello\n", 0)
    other = await world.new_task()
    assert 1 == (await world.get(f"/tasks/{things['task']}/output?execution={EXECUTION}"))["total"]
    status, problem = await world.call("GET", f"/tasks/{other['id']}/output?execution={EXECUTION}")
    assert (404, "no_execution") == (status, problem["code"])


def _short(answer: tuple[int, Any]) -> tuple[int, str]:
    return answer[0], answer[1]["code"]


async def _enrolment_token(world: ApiWorld) -> str:
    status, made = await world.call("POST", "/enrolment-tokens", json={})
    assert 201 == status
    return str(made["token"])


async def _access_token(world: ApiWorld) -> str:
    secret = access.new_secret(SecretKind.ACCESS)

    def log_in(tx: Transaction, caller: Caller) -> Done[access.Login | None]:
        return access.login(tx, caller.token_id, world.secrets[Role.ADMIN], secret)

    assert await world.store.write(log_in, world.admin) is not None
    return secret
