"""What the database and the workers' own ledger say of a queue when all is over: nothing lost, nothing done twice."""

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from tests.reliability.item_bots import Ledger

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Attempt:
    """One handing out, as the database has it."""

    number: int
    fence: int
    outcome: str


@dataclass(frozen=True, slots=True)
class Stored:
    """An item, as the database has it."""

    reference: str
    state: str
    fence: int
    attempts: tuple[Attempt, ...]
    ends_told: int
    """Events that say it is done."""

    @property
    def done_fences(self) -> list[int]:
        """The fences under which it was completed."""
        return [one.fence for one in self.attempts if one.outcome == "done"]


@dataclass(slots=True)
class Judged:
    """What was found; each list names items."""

    items: int
    lost: list[str] = field(default_factory=list)
    """Not there, or not done."""
    doubled: list[str] = field(default_factory=list)
    """Completed twice: by its attempts, its events, or what bots were told."""
    crooked: list[str] = field(default_factory=list)
    """Whose attempts do not tell a story: numbers with a hole, fences that do not rise, an end that is not the last."""
    forgotten: list[str] = field(default_factory=list)
    """Completed, as a bot was told, and the database does not know it."""
    unpaid: list[str] = field(default_factory=list)
    """Done without its effect."""
    paid_again: int = 0
    """Effects beyond the first of each item."""
    outcomes: Counter[str] = field(default_factory=Counter)
    """Attempts by outcome."""

    def broken(self) -> Iterator[str]:
        """What must never be, in words."""
        for what in ("lost", "doubled", "crooked", "forgotten", "unpaid"):
            found: list[str] = getattr(self, what)
            if found:
                yield f"{len(found)} items {what}, such as {', '.join(found[:_SHOWN])}"


def judge(database: Path, queue: str, expected: int, ledger: Ledger) -> Judged:
    """Look at every item of a queue that was given `expected` of them, with references 0, 1, 2, …"""
    items = {item.reference: item for item in stored(database, queue)}
    verdict = Judged(items=expected)
    paid, told = ledger.paid(), _told(ledger)
    for number in range(expected):
        reference = str(number)
        item = items.get(reference)
        if item is None or item.state != "done":
            verdict.lost.append(f"{reference} ({'gone' if item is None else item.state})")
            continue
        _judge(verdict, item, told.get(reference, set()))
        if not paid[reference]:
            verdict.unpaid.append(reference)
    verdict.paid_again = sum(count - 1 for count in paid.values())
    return verdict


def _judge(verdict: Judged, item: Stored, told: set[int]) -> None:
    verdict.outcomes.update(one.outcome for one in item.attempts)
    done, fences = item.done_fences, [one.fence for one in item.attempts]
    if len(done) > 1 or item.ends_told > 1 or len(told) > 1:
        verdict.doubled.append(f"{item.reference} (fences {done}, told {sorted(told)}, {item.ends_told} events)")
    if told - set(done):
        verdict.forgotten.append(f"{item.reference} (told {sorted(told)}, stored {done})")
    is_story = (
        [one.number for one in item.attempts] == list(range(1, len(fences) + 1))
        and fences == sorted(set(fences))
        and item.ends_told >= 1
        and bool(done)
        and done[-1] == fences[-1] == item.fence
    )
    if not is_story:
        verdict.crooked.append(f"{item.reference} ({item.attempts}, fence {item.fence}, {item.ends_told} events)")


def _told(ledger: Ledger) -> dict[str, set[int]]:
    """The fences under which bots were told that an item is completed."""
    found: dict[str, set[int]] = defaultdict(set)
    for one in ledger.lines("completed"):
        found[str(one["reference"])].add(int(str(one["fence"])))
    return found


def stored(database: Path, queue: str) -> list[Stored]:
    """Every item of a queue."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as opened:
        (queue_id,) = opened.execute("SELECT id FROM queues WHERE label = ?", (queue,)).fetchone()
        attempts: dict[str, list[Attempt]] = defaultdict(list)
        rows = opened.execute(
            "SELECT item_id, number, fence, outcome FROM attempts "
            "WHERE item_id IN (SELECT id FROM items WHERE queue_id = ?) ORDER BY item_id, number",
            (queue_id,),
        )
        for item_id, *attempt in rows:
            attempts[item_id].append(Attempt(*attempt))
        ends = _ends(opened)
        items = opened.execute("SELECT id, reference, state, fence FROM items WHERE queue_id = ?", (queue_id,))
        return [
            Stored(reference, state, fence, tuple(attempts[item_id]), ends[item_id])
            for item_id, reference, state, fence in items
        ]


def _ends(opened: sqlite3.Connection) -> Counter[str]:
    """How many events say that an item is done; one event may tell it of many."""
    found: Counter[str] = Counter()
    for subject, data in opened.execute("SELECT subject, data FROM events WHERE kind = 'item.done'"):
        found.update(list(json.loads(data).get("items") or [subject]))
    return found
