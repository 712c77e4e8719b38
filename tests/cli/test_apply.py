"""`botyard apply` and `botyard export`: a team's folder, its faults by file and line, what is asked first."""

import io
import sys
from pathlib import Path

import pytest

from tests.support.api_hub import ApiWorld
from tests.support.typed import Typed

QUEUES = """# what comes in
kind: queue
label: orders
failure_queue: spoilt
retry:
  attempts: 5
---
kind: queue
label: spoilt
"""
TRIGGERS = """kind: trigger
label: each-morning
automation: orders
definition:
  phrase: working days at 06:30
  zone: Europe/Berlin
calendar: bavaria
"""
OTHERS = """kind: automation
label: orders
bot: invoices
uses: {sap: 1}
---
kind: calendar
label: bavaria
country: DE
subdivision: BY
holidays:
  - date: 12-24
---
kind: resource
label: sap
capacity: 3
"""


@pytest.fixture
def team(tmp_path: Path) -> Path:
    """A team's folder."""
    folder = tmp_path / "team"
    (folder / "work").mkdir(parents=True)
    (folder / ".git").mkdir()
    (folder / "work" / "queues.yml").write_text(QUEUES)
    (folder / "a-triggers.yaml").write_text(TRIGGERS)
    (folder / "others.yaml").write_text(OTHERS)
    (folder / ".git" / "odd.yaml").write_text("kind: robot\n")
    (folder / "notes.txt").write_text("not: [yaml\n")
    return folder


class Terminal(io.StringIO):
    """A person at the keyboard."""

    def isatty(self) -> bool:
        """Somebody is there."""
        return True


async def test_a_whole_folder_twice(world: ApiWorld, typed: Typed, team: Path) -> None:
    """Issue 5: the second time nothing changes, and nothing is asked."""
    dry = await typed("apply", "-f", str(team), "--dry-run")
    assert (0, []) == (dry.code, (await world.get("/queues"))["items"])
    shown = "+ calendar bavaria\n+ resource sap\n+ queue orders\n+ queue spoilt\n+ automation orders\n"
    shown += "+ trigger each-morning\nto create 6, to change 0, unchanged 0\n"
    assert shown == dry.text
    assert 1 == (await typed("apply", "-f", str(team), "--check")).code
    made = await typed("apply", "-f", str(team), "--yes")
    assert (0, shown + "done: created 6, changed 0\n") == (made.code, made.text)
    for words in ([], ["--check"], ["--dry-run"], ["--yes"]):
        again = await typed("apply", "-f", str(team), *words)
        assert (0, "nothing to change: 6 as they should be\n") == (again.code, again.text)


async def test_a_change_is_shown_and_nobody_there_means_it_is_not_made(
    world: ApiWorld, typed: Typed, team: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await typed("apply", "-f", str(team), "--yes")
    file = team / "work" / "queues.yml"
    file.write_text(QUEUES.replace("5", "7").replace("label: spoilt", "label: spoilt\ndescription: Look at these."))
    plan = "~ queue orders\n    retry.attempts: 5 -> 7\n~ queue spoilt\n"
    plan += '    description: "" -> "Look at these."\nto create 0, to change 2, unchanged 0\n'
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    unasked = await typed("apply", "-f", str(file))
    assert (2, plan, True) == (unasked.code, unasked.text, "say --yes" in unasked.err)
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    assert 130 == (await typed("apply", "-f", str(file))).code
    assert 5 == (await world.get("/queues/orders"))["retry"]["attempts"]
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    done = await typed("apply", "-f", str(file))
    assert (0, True) == (done.code, done.text.startswith(plan))
    assert "done: created 0, changed 2\n" in done.text
    assert 7 == (await world.get("/queues/orders"))["retry"]["attempts"]


async def test_every_fault_names_its_file_and_line(world: ApiWorld, typed: Typed, team: Path) -> None:
    (team / "b.yaml").write_text("kind: queue\nlabel: spoilt\n---\nkind: automation\nlabel: x\nbot: nobody\n")
    (team / "c.yaml").write_text("kind: queue\nlabel: c\nretry:\n  base_s: 1\n  attempts: 99\n---\nkind: robot\n")
    (team / "a-triggers.yaml").write_text(TRIGGERS.replace("working days", "wroking days"))
    answer = await typed("apply", "-f", str(team), "--yes")
    assert 2 == answer.code
    first, *lines = answer.err.splitlines()
    assert "nothing was changed" in first
    starts = [
        f"{team}/a-triggers.yaml:5: definition.phrase: ",
        f"{team}/b.yaml:2: label: queue 'spoilt' is defined here and elsewhere (keep one)",
        f"{team}/b.yaml:6: bot: There is no bot 'nobody' here. Deploy it first: botyard deploy PATH.",
        f"{team}/c.yaml:5: retry.attempts: is out of range (it must be at most 50)",
        f"{team}/c.yaml:7: kind: 'robot' is no kind of document (one of calendar, ",
        f"{team}/work/queues.yml:9: label: queue 'spoilt' is defined here and elsewhere (keep one)",
    ]
    assert len(starts) == len(lines), lines
    for start, line in zip(starts, lines, strict=True):
        assert line.startswith(start), line
    as_json = await typed("apply", "-f", str(team), "--yes", "--json")
    assert f"{team}/a-triggers.yaml:5" in as_json.err
    assert [] == (await world.get("/queues"))["items"]


async def test_what_is_no_yaml_is_told_before_the_hub_is_asked(world: ApiWorld, typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("kind: queue\nkind: queue\nlabel: &l x\n")
    (tmp_path / "b.yaml").write_text("kind: queue\n\tlabel: x\n")
    (tmp_path / "c.yaml").write_bytes(b"kind: queue\nlabel: \xff\n")
    (tmp_path / "d.yaml").write_bytes(b"# " + b"x" * 1024 * 1024)
    answer = await typed("apply", "-f", str(tmp_path), "--dry-run")
    assert 2 == answer.code
    for words in (
        "a.yaml:2: 'kind' stands twice (first in line 1; keep one)",
        "a.yaml:3: has an anchor (&name)",
        "b.yaml:2: ",
        "c.yaml:2: is no UTF-8",
        "d.yaml: is larger than 1 MiB",
    ):
        assert words in answer.err, answer.err
    for wrong in ([], ["-f", str(tmp_path / "none")], ["-f", str(tmp_path / "config")]):
        assert 2 == (await typed("apply", *wrong)).code


async def test_what_is_exported_is_applied_without_a_change(
    world: ApiWorld, typed: Typed, team: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await typed("apply", "-f", str(team), "--yes")
    out = await typed("export")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(out.out)))
    check = await typed("apply", "-f", "-", "--check")
    assert (0, "nothing to change: 8 as they should be\n") == (check.code, check.text)
    folder = tmp_path / "out"
    assert 0 == (await typed("export", "-o", str(folder))).code
    names = ["automations.yaml", "calendars.yaml", "queues.yaml", "resources.yaml", "triggers.yaml"]
    assert names == sorted(one.name for one in folder.iterdir())
    assert 0 == (await typed("apply", "-f", str(folder), "--check")).code
    assert (folder / "resources.yaml").read_text() == "kind: resource\nlabel: sap\ncapacity: 3\n"


async def test_an_export_can_be_a_part(world: ApiWorld, typed: Typed, team: Path) -> None:
    await typed("apply", "-f", str(team), "--yes")
    assert "kind: resource\nlabel: sap\ncapacity: 3\n" == (await typed("export", "sap")).text
    kinds = (await typed("export", "--kind", "queue", "--kind", "calendar", "--json")).json()["items"]
    assert ["bavaria", "orders", "spoilt"] == [one["label"] for one in kinds]
    missing = await typed("export", "none", "orders")
    assert (2, True) == (missing.code, "none" in missing.err)
    folder = await typed("export", "sap", "-o", str(team))
    assert (2, True) == (folder.code, "leave out the labels" in folder.err)


async def test_a_plan_that_is_no_longer_true_is_shown_anew(
    world: ApiWorld, typed: Typed, team: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was shown is what is done, or it is shown again."""
    await typed("apply", "-f", str(team), "--yes")
    (team / "work" / "queues.yml").write_text(QUEUES.replace("5", "7"))
    asked: list[bool] = []

    def meanwhile(*, yes: bool) -> None:
        from hub.cli.connected import connected

        if not asked:
            connected().patch("/queues/orders", {"stop_after": 9})
        asked.append(yes)

    monkeypatch.setattr("hub.cli.apply._confirm", meanwhile)
    answer = await typed("apply", "-f", str(team))
    assert (0, 2) == (answer.code, len(asked))
    assert "something changed meanwhile" in answer.err
    assert "stop_after: 9 -> none" in answer.text
    assert None is (await world.get("/queues/orders"))["stop_after"]


async def test_the_schema_is_printed_for_editors(world: ApiWorld, typed: Typed) -> None:
    assert {"discriminator", "oneOf", "$defs"} <= set((await typed("apply", "--schema")).json())
