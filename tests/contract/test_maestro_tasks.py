"""`maestro.md` §1 and §3.2 against a real store: statuses, shapes, states."""

import itertools
from typing import Any

import sqlalchemy as sa

from agent.wire.maestro import task_object
from hub.storage import tables
from tests.support.gateway import snapshot
from tests.support.maestro_hub import MaestroWorld

MEMBERS = set(task_object(snapshot()))
NOT_NULL = {"id", "state", "parameters", "activityLabel", "activityName", "dateCreation", "test", "priority"}
NOT_NULL |= {"interrupted", "killed"}
DONE = {"state": "FINISHED", "finishStatus": "SUCCESS", "finishMessage": "ok"}


async def test_a_new_task_is_the_whole_object(world: MaestroWorld) -> None:
    """§3.2: every member, no null where C# throws, dates with three digits and an offset (§1.5)."""
    body = {"activityLabel": "invoices", "test": True, "parameters": {"n": 1.5, "l": [None]}, "priority": 0}
    status, task = await world.call("POST", "/task", json=body)

    assert status == 200
    assert set(task) == MEMBERS
    assert all(task[name] is not None for name in NOT_NULL)
    assert task["dateCreation"] == "2030-01-01T12:00:00.000+00:00"
    assert (task["state"], task["test"], task["priority"]) == ("START", True, 0)
    assert task["parameters"] == {"n": 1.5, "l": [None]}
    assert (task["activityLabel"], task["activityName"], task["agentId"]) == ("invoices", "Invoices", "invoice-bot")
    assert task["organizationLabel"] == "default"


async def test_defaults_of_a_new_task(world: MaestroWorld) -> None:
    """§3.2: scripts leave test and priority out, C# sends null parameters; absent priority is the automation's."""
    for body in ({}, {"parameters": None, "priority": None, "minExecutionDate": None, "Maestro": {"x": 1}}):
        _, task = await world.call("POST", "/task", json={"activityLabel": "invoices"} | body)
        assert (task["test"], task["priority"], task["parameters"]) == (False, 5, {})


async def test_the_body_of_maestro_client(world: MaestroWorld) -> None:
    """§3.2: `automationLabel` is an alias; `data` is read like a body when it has a `parameters` object."""
    cases: list[tuple[dict[str, Any], dict[str, Any], int]] = [
        ({"month": "03"}, {"month": "03"}, 5),
        ({"parameters": {"month": "03"}, "priority": 9}, {"month": "03"}, 9),
        ({"parameters": "text"}, {"parameters": "text"}, 5),
        ({}, {}, 5),
    ]
    for data, parameters, priority in cases:
        status, task = await world.call("POST", "/task", json={"automationLabel": "invoices", "data": data})

        assert (status, task["parameters"], task["priority"]) == (200, parameters, priority)


async def test_forms_of_min_execution_date(world: MaestroWorld) -> None:
    """§1.5: naive means UTC."""
    for sent, shown in (
        ("2030-03-09T01:02:03", "2030-03-09T01:02:03.000+00:00"),
        ("2030-03-09T01:02:03.000456", "2030-03-09T01:02:03.000+00:00"),
        ("2030-03-09T01:02:03-03:00", "2030-03-09T04:02:03.000+00:00"),
        ("2030-03-09T01:02:03.000Z", "2030-03-09T01:02:03.000+00:00"),
    ):
        _, task = await world.call("POST", "/task", json={"activityLabel": "invoices", "minExecutionDate": sent})

        assert (task["minExecutionDate"], task["state"]) == (shown, "START")


async def test_tasks_that_cannot_be_made(world: MaestroWorld) -> None:
    """§1.3: an object with a string `message`, also for bodies that do not parse."""
    for body, expected in (
        (b'{"activityLabel": "nobody"}', 404),
        (b"{}", 400),
        (b"", 400),
        (b'{"activityLabel": 5}', 400),
        (b'{"activityLabel": "strict"}', 400),
        (b'{"activityLabel": "invoices", "parameters": []}', 400),
        (b'{"activityLabel": "invoices", "priority": 11}', 400),
        (b'{"activityLabel": "invoices", "priority": true}', 400),
        (b'{"activityLabel": "invoices", "minExecutionDate": "tomorrow"}', 400),
        (b'{"activityLabel"', 400),
        (b"[1]", 400),
        (b"\xff\xfe", 400),
    ):
        status, error = await world.call("POST", "/task", data=body)

        assert (status, error["status"], error["path"]) == (expected, expected, "/api/v2/task"), body
        assert error["message"]
        assert error["error"] == {400: "Bad Request", 404: "Not Found"}[status]


async def test_a_free_slot_is_used_at_once(world: MaestroWorld) -> None:
    """design.md §3: one transaction makes the task and grants it; a refused task gives the credit back."""
    world.offer_slot(1)
    status, _ = await world.call("POST", "/task", json={"activityLabel": "strict"})
    assert status == 400
    start = await world.running_task()

    assert start.work.task.number == 1
    assert (await world.call("GET", "/task/1"))[1]["state"] == "RUNNING"


async def test_what_is_not_there_is_404(world: MaestroWorld) -> None:
    """§1.6: an id that does not even parse is not there."""
    calls = (("GET", ""), ("POST", ""), ("POST", "/cancel"), ("POST", "/finish"), ("POST", "/restart"))
    for word, (method, tail) in itertools.product(("abc", "0", "-1", "99", "None", "1.0", "9" * 30), calls):
        status, error = await world.call(method, f"/task/{word}{tail}")

        assert (status, error["error"]) == (404, "Not Found"), (word, method, tail)


async def test_a_task_that_never_ran_can_be_finished(world: MaestroWorld) -> None:
    """§3.2: accepted in any state; enums as strings or ordinals (§1.7)."""
    items = {"totalItems": 10, "processedItems": 8, "failedItems": 2}
    cases = (("SUCCESS", "SUCCESS"), ("failed", "FAILED"), (2, "PARTIALLY_COMPLETED"), (None, "SUCCESS"))
    for sent, shown in cases:
        number = await world.new_task()
        status, task = await world.call("POST", f"/task/{number}", json=DONE | items | {"finishStatus": sent})

        assert (status, task["state"], task["finishStatus"], task["finishMessage"]) == (200, "FINISHED", shown, "ok")
        assert (task["totalItems"], task["processedItems"], task["failedItems"]) == (10, 8, 2)


async def test_the_last_finish_counts(world: MaestroWorld) -> None:
    """§4: finish again overwrites, also what a complete report leaves null (§1.1)."""
    number = await world.new_task()
    await world.call("POST", f"/task/{number}", json=DONE | {"totalItems": 1, "processedItems": 1, "failedItems": 0})
    await world.call("POST", f"/task/{number}", json=DONE | {"finishStatus": "FAILED"})

    _, task = await world.call("POST", f"/task/{number}/finish", json={"finishStatus": 2, "finishMessage": None})

    assert (task["finishStatus"], task["finishMessage"], task["totalItems"]) == ("PARTIALLY_COMPLETED", None, None)
    assert (await world.call("GET", f"/task/{number}"))[1] == task


async def test_finish_with_an_empty_body(world: MaestroWorld) -> None:
    """§3.2: `{}` means SUCCESS; an empty body is not parsed as JSON (§1.1)."""
    headers = {"token": world.operator, "Content-Type": "application/json"}
    for body in (b"", b"{}"):
        number = await world.new_task()
        status, task = await world.call("POST", f"/task/{number}/finish", data=body, headers=headers)
        assert (status, task["finishStatus"]) == (200, "SUCCESS")


async def test_a_long_message_is_cut_not_refused(world: MaestroWorld) -> None:
    """§3.2: store at least 32 kB, cut, never refuse."""
    number = await world.new_task()

    status, task = await world.call("POST", f"/task/{number}", json=DONE | {"finishMessage": "ä" * 100_000})

    assert status == 200
    assert task["finishMessage"] == "ä" * 32768


async def test_cancel_and_restart_of_a_waiting_task(world: MaestroWorld) -> None:
    """§4: START cancel > CANCELED, again is no error, restart > START with everything cleared; one number for all."""
    number = await world.new_task()
    empty = {"token": world.operator, "Content-Type": "application/json"}
    seen = []
    for verb in ("restart", "cancel", "cancel", "restart", "cancel"):
        status, task = await world.call("POST", f"/task/{number}/{verb}", headers=empty)
        seen.append((status, task["id"], task["state"], task["finishStatus"], task["interrupted"]))

    states = ("START", "CANCELED", "CANCELED", "START", "CANCELED")
    assert seen == [(200, number, state, None, False) for state in states]


async def test_verbs_by_body(world: MaestroWorld) -> None:
    """§3.2: n8n cancels by state, SDKs restart by state, ordinals count; nothing said changes nothing."""
    number = await world.new_task()
    bodies: list[dict[str, Any]] = [{"state": "CANCELED"}, {"state": 0}, {"state": 3}, {"state": "START"}, {}, {"x": 1}]
    states = [(await world.call("POST", f"/task/{number}", json=body))[1]["state"] for body in bodies]

    assert states == ["CANCELED", "START", "CANCELED", "START", "START", "START"]


async def test_bad_transitions_are_400(world: MaestroWorld) -> None:
    """§4: RUNNING restart, FINISHED cancel."""
    start = await world.running_task()
    number = start.work.task.number

    running = await world.call("POST", f"/task/{number}/restart")
    await world.call("POST", f"/task/{number}", json=DONE)
    finished = await world.call("POST", f"/task/{number}/cancel")

    assert running[0] == finished[0] == 400
    assert (await world.call("POST", f"/task/{number}", json={"state": "CANCELED"}))[0] == 400


async def test_interrupt_is_a_flag(world: MaestroWorld) -> None:
    """§4: START and RUNNING: the state stays; FINISHED: accepted without effect."""
    start = await world.running_task()
    number = start.work.task.number

    status, task = await world.call("POST", f"/task/{number}", json={"interrupted": True})

    assert (status, task["state"], task["interrupted"], task["killed"]) == (200, "RUNNING", True, False)
    assert [message.type for message in world.session.sent] == ["start", "interrupt"]
    other = await world.new_task()
    await world.call("POST", f"/task/{other}", json=DONE)
    status, task = await world.call("POST", f"/task/{other}", json={"interrupted": True})
    assert (status, task["state"], task["interrupted"]) == (200, "FINISHED", False)


async def test_kill(world: MaestroWorld) -> None:
    """§4: a running one is told to end now, a waiting one is CANCELED and shows both flags."""
    start = await world.running_task()
    waiting = await world.new_task()
    body = {"interrupted": True, "killed": True}

    _, killed = await world.call("POST", f"/task/{start.work.task.number}", json=body)
    _, canceled = await world.call("POST", f"/task/{waiting}", json=body)

    assert (killed["state"], killed["interrupted"], killed["killed"]) == ("RUNNING", True, True)
    assert (canceled["state"], canceled["interrupted"], canceled["killed"]) == ("CANCELED", True, True)
    stop = world.session.sent[-1]
    assert (stop.type, stop.order.cause) == ("stop", "kill")  # type: ignore[union-attr]


async def test_a_running_task_shows_its_runner(world: MaestroWorld) -> None:
    """§4: RUNNING has `machineId`; the first report makes it FINISHED while the process still runs."""
    start = await world.running_task()
    number = start.work.task.number

    _, running = await world.call("GET", f"/task/{number}")
    _, reported = await world.call("POST", f"/task/{number}", json=DONE)

    assert (running["state"], running["machineId"]) == ("RUNNING", "vm-1")
    assert (reported["state"], reported["finishStatus"]) == ("FINISHED", "SUCCESS")


async def test_secret_parameters_are_shown_to_their_bot_only(world: MaestroWorld) -> None:
    """core.md §3, S11: a person sees that there is one, the bot gets it."""
    start = await world.running_task(activityLabel="strict", parameters={"month": "3", "pin": "1234"})
    path = f"/task/{start.work.task.number}"

    _, person = await world.call("GET", path)
    _, bot = await world.call("GET", path, headers=world.as_bot(start.execution_id))

    assert person["parameters"] == {"month": "3", "pin": "***"}
    assert bot["parameters"] == {"month": "3", "pin": "1234"}


async def test_pages(world: MaestroWorld) -> None:
    """§1.8: counted from 0, newest first, one row a number, empty past the end."""
    numbers = [await world.new_task(priority=n % 3) for n in range(7)]
    await world.call("POST", f"/task/{numbers[0]}/cancel")
    await world.call("POST", f"/task/{numbers[0]}/restart")
    await world.call("POST", f"/task/{numbers[1]}", json=DONE)

    _, first = await world.call("GET", "/task?")
    _, third = await world.call("GET", "/task?page=2&size=3")
    _, beyond = await world.call("GET", "/task?page=9&size=3&sort=dateCreation,desc")
    _, sorted_up = await world.call("GET", "/task?sort=priority")
    _, finished = await world.call("GET", "/task?stateFilter=FINISHED&days=7&activityLabel=invoices")
    _, nobody = await world.call("GET", "/task?activityLabel=other&machineId=vm-9&page=x&size=0")

    assert [row["id"] for row in first["content"]] == [numbers[0], *reversed(numbers[1:])]
    assert (first["totalElements"], first["totalPages"], first["last"], first["empty"]) == (7, 1, True, False)
    assert (len(third["content"]), third["number"], third["totalPages"], third["last"]) == (1, 2, 3, True)
    assert (beyond["content"], beyond["empty"], beyond["totalElements"]) == ([], True, 7)
    assert [row["priority"] for row in sorted_up["content"]] == [0, 0, 0, 1, 1, 2, 2]
    assert [row["id"] for row in finished["content"]] == [numbers[1]]
    assert (nobody["totalElements"], nobody["totalPages"], nobody["first"], nobody["last"]) == (0, 0, True, True)


async def test_the_filter_finds_what_the_objects_say(world: MaestroWorld) -> None:
    """§3.2: `stateFilter` and `state` never disagree, amendments and reports included."""
    start = await world.running_task()
    reported = await world.running_task(generation=2)
    await world.call("POST", f"/task/{reported.work.task.number}", json=DONE)
    canceled, amended, finished = [await world.new_task() for _ in range(3)]
    await world.call("POST", f"/task/{canceled}/cancel")
    await world.call("POST", f"/task/{amended}/cancel")
    await world.call("POST", f"/task/{amended}", json=DONE)
    await world.call("POST", f"/task/{finished}", json=DONE)
    await world.new_task()
    assert start.work.task.number != reported.work.task.number

    _, everything = await world.call("GET", "/task")
    for state in ("START", "RUNNING", "FINISHED", "CANCELED"):
        _, found = await world.call("GET", f"/task?stateFilter={state}")

        wanted = [row["id"] for row in everything["content"] if row["state"] == state]
        assert wanted
        assert [row["id"] for row in found["content"]] == wanted


async def test_an_own_number_is_the_own_round(world: MaestroWorld) -> None:
    """core.md §4: an execution's token always means its own round, a person's call the newest."""
    start = await world.running_task()
    number = start.work.task.number
    done = {"state": "finished", "outcome": "lost", "settled_at": world.clock.now()}
    await world.sql(sa.update(tables.executions).values(state="finished", outcome="lost", settled_at=world.clock.now()))
    await world.sql(sa.update(tables.tasks).values(**done))
    await world.call("POST", f"/task/{number}/restart")

    _, newest = await world.call("GET", f"/task/{number}")
    _, own = await world.call("GET", f"/task/{number}", headers=world.as_bot(start.execution_id))

    assert (newest["id"], newest["state"]) == (number, "START")
    assert (own["id"], own["state"]) == (number, "FINISHED")


async def test_a_forwarded_call_is_carried_out_once(world: MaestroWorld) -> None:
    """core.md §6: the same key gets the same answer, word for word; another request under it is refused."""
    start = await world.running_task()
    headers = world.as_bot(start.execution_id, key="k" * 32)
    body = {"activityLabel": "invoices", "parameters": {"a": 1}}

    first = await world.call("POST", "/task", json=body, headers=headers)
    again = await world.call("POST", "/task", json=body, headers=headers)
    other = await world.call("POST", "/task", json=body | {"priority": 3}, headers=headers)
    fresh = await world.call("POST", "/task", json=body, headers=world.as_bot(start.execution_id, key="q" * 32))

    assert first[0] == 200
    assert again == first
    assert other[0] == 400
    assert fresh[1]["id"] == first[1]["id"] + 1
    _, page = await world.call("GET", "/task")
    assert page["totalElements"] == 3
    assert fresh[1]["userEmail"] == f"bot:{start.execution_id}"


async def test_answers_are_forgotten_after_an_hour(world: MaestroWorld) -> None:
    """core.md §6: kept 1 h, long after any gateway has given up."""
    start = await world.running_task()
    body = {"activityLabel": "invoices"}
    await world.call("POST", "/task", json=body, headers=world.as_bot(start.execution_id, key="k" * 32))
    world.clock.advance(3601)

    await world.call("POST", "/task", json=body, headers=world.as_bot(start.execution_id, key="q" * 32))
    _, again = await world.call("POST", "/task", json=body, headers=world.as_bot(start.execution_id, key="k" * 32))

    assert again["id"] == 4


async def test_a_replayed_call_gives_its_credit_back(world: MaestroWorld) -> None:
    """D4: the credit that was taken for it goes back to the book."""
    start = await world.running_task()
    headers = world.as_bot(start.execution_id, key="k" * 32)
    body = {"activityLabel": "invoices"}
    await world.call("POST", "/task", json=body, headers=headers)
    world.offer_slot(2)

    await world.call("POST", "/task", json=body, headers=headers)

    (offer,) = world.hub.book.offers(world.session.workspace_id).values()
    assert offer.free == 1
