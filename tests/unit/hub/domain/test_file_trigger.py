"""File triggers: what a definition may say, what makes a file the same one, what a runner is told."""

from datetime import UTC, datetime
from typing import Any

import pytest

from agent.wire.watching import FoundFile
from hub.domain.file_trigger import (
    Existing,
    Mark,
    cause_of,
    device_of,
    faults_of,
    identity_of,
    is_meant,
    known_as,
    read_rule,
    watched,
)

GOOD: dict[str, Any] = {"runner": "vm1", "folder": "/srv/in"}
AT = datetime(2026, 1, 1, tzinfo=UTC)
FILE = FoundFile(path="/srv/in/a", device=8, inode=1, mtime_ns=-2, size=3)


@pytest.mark.parametrize(
    ("members", "faulty"),
    [
        ({}, []),
        ({"folder": "D:\\in", "pattern": "*.csv", "recursive": True, "stable_s": 0, "existing": "fire"}, []),
        ({"folder": "\\\\server\\share", "parameter": "path", "anywhere": True, "overlap": "allow"}, []),
        ({"runner": None}, ["runner"]),
        ({"folder": None}, ["folder"]),
        ({"folder": "in"}, ["folder"]),
        ({"folder": "/in/../etc"}, ["folder"]),
        ({"folder": "/" + "x" * 1024}, ["folder"]),
        ({"folder": "/in\0"}, ["folder"]),
        ({"pattern": ""}, ["pattern"]),
        ({"pattern": "a/b"}, ["pattern"]),
        ({"stable_s": 3601}, ["stable_s"]),
        ({"stable_s": True}, ["stable_s"]),
        ({"existing": "maybe", "parameter": "1 x", "recursive": "yes"}, ["existing", "parameter", "recursive"]),
        ({"overlap": "queue"}, ["overlap"]),
    ],
)
def test_a_definition_stands_or_is_told_every_fault(members: dict[str, Any], faulty: list[str]) -> None:
    assert faulty == sorted(fault.field for fault in faults_of({**GOOD, **members}))


def test_what_is_watched_has_a_revision_that_changes_with_it_alone() -> None:
    rule = read_rule(GOOD)
    assert (Existing.IGNORE, 2.0, "*", "file") == (rule.existing, rule.stable_s, rule.pattern, rule.parameter)
    for same in ({"stable_s": 5.0}, {"parameter": "x"}, {"anywhere": True}, {"priority": 3}):
        assert rule.revision == read_rule({**GOOD, **same}).revision
    for other in ({"folder": "/x"}, {"runner": "vm2"}, {"pattern": "a"}, {"recursive": True}, {"existing": "fire"}):
        assert rule.revision != read_rule({**GOOD, **other}).revision


@pytest.mark.parametrize(
    ("existing", "looked", "leaves"),
    [("ignore", False, True), ("ignore", True, False), ("fire", False, False), ("fire", True, False)],
)
def test_what_lies_there_is_left_alone_until_it_was_looked_through(existing: str, looked: bool, leaves: bool) -> None:
    rule = read_rule({**GOOD, "existing": existing})
    told = watched(rule, "trg_" + "0" * 32, rule.revision if looked else "another")
    assert (leaves, rule.revision) == (told.leave_existing, told.revision)


@pytest.mark.parametrize(
    ("change", "is_known"),
    [
        ({}, True),
        ({"path": "/srv/in/renamed"}, True),
        ({"device": 9}, True),
        ({"device": 9, "path": "/srv/in/renamed"}, False),
        ({"inode": 2}, False),
        ({"mtime_ns": 0}, False),
        ({"size": 4}, False),
        ({"is_text": False}, False),
    ],
)
def test_a_file_is_the_same_by_what_it_is(change: dict[str, Any], is_known: bool) -> None:
    mark = Mark(identity=identity_of(FILE), device=device_of(FILE.device), path=FILE.path, seen_at=AT)
    assert is_known is (known_as(FILE.model_copy(update=change), [mark]) is not None)


def test_its_cause_names_all_four() -> None:
    assert "file 8:1:-2:3" == cause_of(FILE)


@pytest.mark.parametrize(
    ("folder", "path", "more", "meant"),
    [
        ("/in", "/in/a.csv", {}, True),
        ("/in/", "/in/a.csv", {}, True),
        ("/in/./", "/in/a.csv", {}, True),
        ("/", "/a.csv", {}, True),
        ("/in", "/in/two\nlines.csv", {}, True),
        ("/in", "/in/a.CSV", {}, False),
        ("/in", "/in/a.txt", {}, False),
        ("/in", "/in/a.txt", {"pattern": "*"}, True),
        ("/in", "/in", {"pattern": "*"}, False),
        ("/in", "/in/below/a.csv", {}, False),
        ("/in", "/in/below/a.csv", {"recursive": True}, True),
        ("/in", "/in/below.csv/a", {"recursive": True}, False),
        ("/in", "/etc/a.csv", {}, False),
        ("/in", "/inner/a.csv", {}, False),
        ("/in", "/in/../etc/a.csv", {"recursive": True}, False),
        ("/in", "/in/b\\..\\..\\a.csv", {}, False),
        ("/in", "in/a.csv", {}, False),
        ("/in", "a.csv", {}, False),
        ("D:\\in", "D:\\in\\A.CSV", {}, True),
        ("D:/in", "D:\\in\\a.csv", {}, True),
        ("D:\\", "D:\\a.csv", {}, True),
        ("/in", "\\in\\a.csv", {}, True),
        ("\\\\server\\share", "\\\\server\\share\\a.csv", {}, True),
        ("\\\\server\\share", "\\\\server\\other\\a.csv", {}, False),
        ("D:\\in", "D:\\in\\below\\a.csv", {}, False),
        ("D:\\in", "D:\\in\\below\\a.csv", {"recursive": True}, True),
        ("D:\\in", "D:\\in\\..\\a.csv", {"recursive": True}, False),
        ("D:\\in", "C:\\in\\a.csv", {}, False),
        ("D:\\in", "D:a.csv", {}, False),
        ("D:\\in", "/in/a.csv", {}, False),
    ],
)
def test_a_runner_may_tell_only_what_it_is_to_watch(folder: str, path: str, more: dict[str, Any], meant: bool) -> None:
    assert meant is is_meant(read_rule({**GOOD, "pattern": "*.csv", "folder": folder, **more}), path)
