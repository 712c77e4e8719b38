"""`botyard task`: shown, ended, run again."""

from datetime import datetime

from tests.support.api_hub import ApiWorld
from tests.support.typed import Typed


async def test_task_show_has_what_scripts_rely_on(world: ApiWorld, typed: Typed) -> None:
    """design.md §5: state, outcome, reason, exit_code, message, totals, output: {lines, bytes, sha256, complete}."""
    task = await world.new_task()
    await world.begin(task["id"])
    await world.update(
        "executions", "exe_" + "6" * 32, output_bytes=4, output_lines=1, output_state="complete", output_sha256="a" * 64
    )
    await world.settle(task["id"], outcome="failed", reason="exit_code", exit_code=7, message="m")
    shown = (await typed("task", "show", "1", "--json")).json()
    assert ("finished", "failed", "exit_code", 7, "m", None) == tuple(
        shown[name] for name in ("state", "outcome", "reason", "exit_code", "message", "totals")
    )
    said = {"says": "complete, verified", "gaps": []}
    known = {"lines": 1, "bytes": 4, "sha256": "a" * 64, "complete": True, "state": "complete"}
    assert known | said == shown["output"]
    assert "failed (exit_code) exit code 7 - m" in (await typed("task", "show", "1")).out.decode()


async def test_tasks_are_ended_and_run_again(world: ApiWorld, typed: Typed) -> None:
    await world.new_task()
    assert b"1: canceled\n" == (await typed("task", "cancel", "1")).out
    again = (await typed("task", "restart", "1")).out.decode().strip()
    assert 2 == (await world.get(f"/tasks/{again}"))["round"]
    assert b"all 1 slots" in (await typed("task", "why", "1")).out or b"busy" in (await typed("task", "why", "1")).out
    assert b"1.2: canceled\n" == (await typed("task", "kill", "1")).out


async def test_what_has_finished_is_not_ended_again(world: ApiWorld, typed: Typed) -> None:
    """R70: cancel, kill and interrupt say in one line that it is over already, and exit as every conflict does."""
    task = await world.new_task()
    await world.begin(task["id"])
    await world.settle(task["id"], outcome="failed", reason="exit_code", exit_code=7)
    for verb in ("cancel", "kill", "interrupt"):
        told = await typed("task", verb, "1")
        line = f"botyard: Task 1 has finished (failed); there is nothing to {verb}.\n"
        assert (told.code, told.out, told.err) == (1, b"", line)


async def test_what_a_table_shows_can_be_typed_back(world: ApiWorld, typed: Typed) -> None:
    """core.md §4, rounds: a number is the newest round, `number.round` one of them."""
    task = await world.new_task()
    await world.begin(task["id"])
    await world.settle(task["id"], outcome="failed", message="first line\nsecond line")
    await typed("task", "restart", "1")
    rows = (await typed("task", "list")).out.decode().splitlines()
    assert ["task", "1.2", "1"] == [row.split()[0] for row in rows]
    assert "first line …" in rows[2]
    assert (await typed("task", "show", "1.1", "--json")).json()["round"] == 1
    assert (await typed("task", "show", "1.2", "--json")).json()["round"] == 2
    assert b"second line" in (await typed("task", "show", "1.1")).out
    assert b"nothing holds task 1; it has ended: failed" in (await typed("task", "why", "1.1")).out
    assert (1, "botyard: There is no task '1.3' here. `botyard task list` shows all.\n") == (
        (told := await typed("task", "show", "1.3")).code,
        told.err,
    )


async def test_show_tells_the_story_of_a_task(world: ApiWorld, typed: Typed) -> None:
    """Issue 3, part 6: the timeline with times and lengths, and every attempt; for scripts as `timeline`."""
    task = await world.new_task()
    world.clock.advance(5)
    await world.begin(task["id"])
    world.clock.advance(2)
    await world.settle(task["id"], outcome="failed", reason="exit_code", exit_code=7)
    told = (await typed("task", "show", "1", "--json")).json()
    assert [("created", 0.0), ("waited", 5.0), ("granted", 0.0), ("started", 2.0), ("settled", None)] == [
        (one["step"], one["lasted_s"]) for one in told["timeline"]
    ]
    assert ["finished"] == [one["state"] for one in told["executions"]]
    shown = (await typed("task", "show", "1")).text
    assert "5.00 s  waited\n" in shown, "nobody knows for what"
    assert "settled     failed: exit_code" in shown


async def test_why_says_since_when_and_what_would_start_it(world: ApiWorld, typed: Typed) -> None:
    await typed("automation", "create", "far", "--bot", "invoices", "--need", "os=windows")
    await world.new_task("far")
    (reason,) = (await typed("task", "why", "1", "--json")).json()["reasons"]
    assert ("no_runner", "desk-1") == (reason["code"], reason["runner"])
    assert world.clock.now() == datetime.fromisoformat(reason["since"])
    shown = (await typed("task", "why", "1")).text.splitlines()
    assert "No runner has the label os=windows. desk-1 lacks only os=windows." in shown[0]
    assert (
        "  > Bring a runner in with it: botyard runner token --label os=windows; or change what far needs." == shown[1]
    )
