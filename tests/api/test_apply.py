"""`POST /apply` and `GET /export`: all or nothing, twice is once, and what is exported makes the same again."""

import asyncio
import json
from typing import Any

import jsonschema_rs

from hub.api import ROUTES
from hub.domain.access import Role
from hub.domain.documents.plan import HIDDEN, DocumentKind
from hub.services import triggers
from tests.support.api_hub import ApiWorld
from tests.support.waiting import eventually

TEAM: list[dict[str, Any]] = [
    {
        "kind": "trigger",
        "label": "each-morning",
        "automation": "orders",
        "definition": {"kind": "schedule", "phrase": "working days at 06:30", "zone": "Europe/Berlin"},
        "calendar": "bavaria",
        "parameters": {"month": "2026-03", "pin": "1234"},
    },
    {
        "kind": "trigger",
        "label": "often",
        "automation": "orders",
        "definition": {"every": "15m"},
        "paused": True,
        "parameters": {"month": "x"},
    },
    {
        "kind": "trigger",
        "label": "from-queue",
        "automation": "orders",
        "definition": {"kind": "queue", "queue": "in"},
        "parameters": {"month": "x"},
    },
    {
        "kind": "trigger",
        "label": "hook",
        "automation": "orders",
        "definition": {"kind": "webhook", "map": {"month": "body.m"}},
    },
    {
        "kind": "automation",
        "label": "orders",
        "bot": "invoices",
        "parameters": [{"name": "month", "required": True}, {"name": "pin", "secret": True}],
        "needs": {"os": "linux"},
        "uses": {"sap": 2},
        "limits": {"memory_bytes": 2**30, "ladder": {"kill_after_s": 1}},
        "retry": {"attempts": 3, "causes": {"machine": {"limit": 5}}},
        "rate": {"count": 5},
    },
    {
        "kind": "queue",
        "label": "in",
        "success_queue": "done",
        "failure_queue": "bad",
        "fields": [{"name": "number", "required": True}],
        "unique": ["number"],
        "retry": {"attempts": 5},
    },
    {"kind": "queue", "label": "bad"},
    {"kind": "queue", "label": "done", "failure_queue": "bad"},
    {"kind": "resource", "label": "sap", "capacity": 3},
    {"kind": "resource", "label": "desk", "accounts": ["a", "b"]},
    {"kind": "calendar", "label": "bavaria", "country": "DE", "subdivision": "BY", "holidays": [{"date": "12-24"}]},
]


async def apply(world: ApiWorld, *documents: dict[str, Any], **options: Any) -> Any:
    """The plan of an apply that works."""
    status, plan = await world.call("POST", "/apply", json={"documents": list(documents), **options})
    assert 200 == status, plan
    return plan


async def exported(world: ApiWorld, limit: int = 3) -> list[dict[str, Any]]:
    """Everything of the workspace, page by page."""
    found: list[dict[str, Any]] = []
    page = {"next": ""}
    while page["next"] is not None:
        page = await world.get(f"/export?limit={limit}&cursor={page['next']}")
        found += page["items"]
    return found


def done(plan: Any) -> dict[str, str]:
    """Action by label."""
    return {step["label"]: step["action"] for step in plan["steps"]}


async def changes_of(world: ApiWorld, sentinel: str) -> list[tuple[str, str]]:
    """(kind, label) of every event of what documents define; a last one shows that none is still on its way."""
    await world.call("POST", "/queues", json={"label": sentinel})

    async def look() -> list[tuple[str, str]]:
        events = (await world.get("/events?limit=1000"))["items"]
        found = [(one["kind"], (one["data"] or {}).get("label", "")) for one in events]
        return found if ("queue.created", sentinel) in found else []

    found = await eventually(look, within=10)
    return sorted(one for one in found if one[1] in {document["label"] for document in TEAM})


async def test_twice_is_once(each_world: ApiWorld) -> None:
    """Issue 5: the second apply of the same documents changes nothing, writes nothing, tells nothing."""
    world = each_world
    dry = await apply(world, *TEAM, dry_run=True)
    assert not dry["applied"]
    assert {"create"} == set(done(dry).values())
    assert [] == (await world.get("/queues"))["items"]
    made = await apply(world, *TEAM, plan=dry["plan"])
    assert made["applied"]
    assert dry["steps"] == made["steps"]
    before = await changes_of(world, "first")
    rows = [await world.get(path) for path in ("/queues/in", "/automations/orders", "/triggers/often")]
    again = await apply(world, *reversed(TEAM))
    assert {"unchanged"} == set(done(again).values()), again
    assert before == await changes_of(world, "second")
    assert rows == [await world.get(path) for path in ("/queues/in", "/automations/orders", "/triggers/often")]


async def test_what_is_exported_changes_nothing_and_makes_the_same_again(world: ApiWorld) -> None:
    await apply(world, *TEAM)
    out = await exported(world)
    assert "1234" not in str(out)
    last = await apply(world, *out)
    assert {"unchanged"} == set(done(last).values()), last
    for kind, label in [(one["kind"], one["label"]) for one in out if one["label"] not in {"invoices", "strict"}][::-1]:
        if kind != "automation":
            status, _ = await world.call("DELETE", f"/{kind}s/{label}")
            assert status in {200, 409}, (kind, label)


async def test_a_change_is_told_member_by_member_and_only_it_is_made(world: ApiWorld) -> None:
    await apply(world, *TEAM)
    orders = {**TEAM[4], "retry": {"attempts": 4}, "priority": 9, "uses": {}}
    del orders["rate"]
    plan = await apply(world, orders, TEAM[8])
    assert {"orders": "change", "sap": "unchanged"} == done(plan)
    changes = {one["member"]: (one["old"], one["new"]) for one in plan["steps"][1]["changes"]}
    assert (3, 4) == changes.pop("retry.attempts")
    assert (5, 9) == changes.pop("priority")
    assert (2, None) == changes.pop("uses.sap")
    assert ({"count": 5, "per_s": 60}, None) == changes.pop("rate")
    assert {"retry.causes.machine"} == set(changes)
    shown = await world.get("/automations/orders")
    assert (9, None, {}, 4, {"os": "linux"}) == (
        *(shown[name] for name in ("priority", "rate", "uses")),
        shown["retry"]["attempts"],
        shown["needs"],
    )


async def test_what_is_there_and_not_named_stays(world: ApiWorld) -> None:
    await apply(world, *TEAM)
    await apply(world, {"kind": "queue", "label": "alone"})
    assert {"alone", "bad", "done", "in"} == {one["label"] for one in (await world.get("/queues"))["items"]}


async def test_every_fault_of_every_document_at_once_and_nothing_is_done(each_world: ApiWorld) -> None:
    world = each_world
    bad = [
        {"kind": "queue", "label": "fine"},
        {"kind": "queue", "label": "bad label", "lease_s": 1},
        {"kind": "queue", "label": "typo", "lease": 9},
        {"kind": "robot", "label": "x"},
        {"label": "y"},
        {"kind": "automation", "label": "no-bot", "bot": "nobody", "uses": {"none": 1}, "concurrency": 0},
        {"kind": "trigger", "label": "t", "automation": "no-bot", "definition": {"cron": "* * * * *"}},
        {"kind": "trigger", "label": "u", "automation": "gone", "definition": {"cron": "61 * * * *", "off_after": 1}},
        {"kind": "trigger", "label": "v", "automation": "invoices", "definition": {"kind": "queue", "queue": "typo"}},
        {"kind": "calendar", "label": "c", "holidays": [{"date": "31-12"}]},
        {"kind": "resource", "label": "r", "capacity": 1},
        {"kind": "resource", "label": "r", "capacity": 2},
        {"kind": "queue", "label": "round", "success_queue": "and-round"},
        {"kind": "queue", "label": "and-round", "success_queue": "round"},
        {"kind": "queue", "label": "s", "payload_schema": {"type": 7}},
        {
            "kind": "trigger",
            "label": "w",
            "automation": "invoices",
            "definition": {"kind": "event", "on": ["task.settled"], "automation": "nothing"},
        },
    ]
    status, problem = await world.call("POST", "/apply", json={"documents": bad})
    assert (422, "documents") == (status, problem["code"])
    fields = {one["field"] for one in problem["errors"]}
    assert {
        "documents.1.lease_s",
        "documents.2.lease",
        "documents.3.kind",
        "documents.4.kind",
        "documents.5.bot",
        "documents.5.uses.none",
        "documents.5.concurrency",
        "documents.7.automation",
        "documents.7.definition.cron.minute",
        "documents.9.holidays.0.date",
        "documents.10.label",
        "documents.11.label",
        "documents.12.success_queue",
        "documents.13.success_queue",
        "documents.14.payload_schema",
        "documents.15.definition.automation",
    } == fields, fields
    assert [] == (await world.get("/queues"))["items"]
    assert "botyard deploy PATH --bot nobody" in str(problem["errors"])


async def test_only_the_plan_that_was_shown_is_carried_out(world: ApiWorld) -> None:
    await apply(world, *TEAM)
    document = {"kind": "queue", "label": "in", "lease_s": 300}
    dry = await apply(world, document, dry_run=True)
    await world.call("PATCH", "/queues/in", json={"stop_after": 7})
    sent = {"documents": [document], "plan": dry["plan"]}
    status, problem = await world.call("POST", "/apply", json=sent)
    assert (409, "plan_changed") == (status, problem["code"])
    assert 900 == (await world.get("/queues/in"))["lease_s"]
    sent["plan"] = (await apply(world, document, dry_run=True))["plan"]
    assert 200 == (await world.call("POST", "/apply", json=sent))[0]


async def test_a_plan_is_of_the_documents_that_it_was_made_for(world: ApiWorld) -> None:
    """What is created is not shown member by member; its plan does not fit another one."""
    dry = await apply(world, {"kind": "queue", "label": "new", "lease_s": 300}, dry_run=True)
    sent = {"documents": [{"kind": "queue", "label": "new", "lease_s": 9999}], "plan": dry["plan"]}
    status, problem = await world.call("POST", "/apply", json=sent)
    assert (409, "plan_changed") == (status, problem["code"])
    assert [] == (await world.get("/queues"))["items"]


async def test_silence_ends_no_pause_and_takes_no_secret(world: ApiWorld) -> None:
    """What people decide while things run, and what nobody may read, is not taken back by a document without it."""
    await apply(world, *TEAM)
    await world.call("POST", "/triggers/each-morning/pause")
    await world.call("PATCH", "/automations/orders", json={"state": "paused"})
    silent = {**TEAM[0], "parameters": {"month": "2026-04"}}
    plan = await apply(world, silent, TEAM[4])
    assert [{"member": "parameters.month", "old": "2026-03", "new": "2026-04"}] == plan["steps"][1]["changes"]
    assert "paused" == (await world.get("/triggers/each-morning"))["state"]
    assert "paused" == (await world.get("/automations/orders"))["state"]
    said = {**TEAM[0], "parameters": {"month": "2026-04", "pin": "4321"}, "paused": False}
    plan = await apply(world, said, {**TEAM[4], "state": "active"})
    changes = {one["member"]: one["new"] for step in plan["steps"] for one in step["changes"]}
    assert {"state": "active", "parameters.pin": HIDDEN, "paused": False} == changes
    assert "4321" not in str(plan)
    assert "active" == (await world.get("/triggers/each-morning"))["state"]
    row = await world.store.read(lambda tx: triggers.show(tx, world.admin.workspace_id, "each-morning"))
    assert {"month": "2026-04", "pin": "4321"} == row.parameters


async def test_what_was_secret_is_not_shown_by_the_plan_that_opens_it(world: ApiWorld) -> None:
    await apply(world, *TEAM)
    opened = {**TEAM[4], "parameters": [{"name": "month", "required": True}, {"name": "pin"}]}
    silent = {**TEAM[0], "parameters": {"month": "2026-03"}}
    plan = await apply(world, opened, silent)
    assert "1234" not in str(plan)
    assert {"member": "parameters.pin", "old": HIDDEN, "new": None} in plan["steps"][1]["changes"]


async def test_things_that_wait_for_each_other_change_together(world: ApiWorld) -> None:
    """A resource becomes accounts while its automation gives up units: neither order of the two routes would do."""
    await apply(world, *TEAM)
    accounts = {"kind": "resource", "label": "sap", "accounts": ["a", "b"]}
    assert 422 == (await world.call("POST", "/apply", json={"documents": [accounts]}))[0]
    plan = await apply(world, accounts, {**TEAM[4], "uses": {"sap": 1}})
    assert {"sap": "change", "orders": "change"} == done(plan)
    turned: list[dict[str, Any]] = [
        {"kind": "queue", "label": "bad", "success_queue": "in"},
        {"kind": "queue", "label": "done"},
    ]
    turned += [{**TEAM[5], "success_queue": "done", "failure_queue": None}]
    assert {"bad": "change", "done": "change", "in": "change"} == done(await apply(world, *turned))


async def test_a_webhook_is_made_without_a_secret_and_that_is_said(world: ApiWorld) -> None:
    plan = await apply(world, *TEAM)
    (note,) = [step["note"] for step in plan["steps"] if step["note"]]
    assert "botyard trigger secret hook" in note
    other = {**TEAM[3], "definition": {"kind": "schedule", "every": "1h"}}
    status, problem = await world.call("POST", "/apply", json={"documents": [other]})
    assert (422, "documents.0.definition.kind") == (status, problem["errors"][0]["field"])


async def test_each_kind_asks_for_what_its_own_routes_ask_for() -> None:
    """One route makes what five make: it must not be the weaker door."""
    roles = {
        one.spec.role
        for one in ROUTES
        if one.method in {"POST", "PATCH"} and one.path.count("/") == 1 and one.path[1:-1] in {*DocumentKind}
    }
    assert {Role.DEVELOPER} == roles


async def test_the_schema_knows_every_kind_and_member(world: ApiWorld) -> None:
    async with world.request("GET", "/apply/schema") as response:
        schema = json.loads(await response.read())
    validator = jsonschema_rs.Draft202012Validator(schema)
    for document in TEAM:
        assert validator.is_valid(document), document
    assert not validator.is_valid({"kind": "queue", "label": "x", "leases": 1})
    assert not validator.is_valid({"kind": "robot", "label": "x"})


async def test_two_at_once_are_one_and_nothing(each_world: ApiWorld) -> None:
    """Two CI jobs push at the same moment: each thing is made once, and neither is refused."""
    plans = await asyncio.gather(*(apply(each_world, *TEAM) for _ in range(3)))
    assert [11, 0, 0] == sorted((list(done(plan).values()).count("create") for plan in plans), reverse=True)
    assert {"create", "unchanged"} == {action for plan in plans for action in done(plan).values()}
