"""C4: what is stored of an output is what the bot wrote, less the gaps that are told, byte for byte."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, pairwise

from tests.history.ends import EXCUSES
from tests.history.events import Event, FaultKind, Gap, Output, Seen, Stored, Wrote
from tests.history.story import Judgement, Judgements, Rule, Story

_MACHINE = {FaultKind.HOST_CRASHED, FaultKind.POWER_CUT, FaultKind.HOME_WIPED, FaultKind.HOME_ROLLED_BACK}
_SHIM = EXCUSES["supervisor_lost"]
GAP_EXCUSES: dict[str, set[FaultKind] | None] = {
    "disk": {FaultKind.DISK_FULL, FaultKind.DISK_ERROR},
    "cap": None,
    "deleted": None,
    "writer_left": None,
    "tail_unknown": _SHIM,
    "damaged": {FaultKind.BYTES_DAMAGED, FaultKind.DISK_ERROR} | _MACHINE,
}
"""Why bytes may be missing, and the faults one of which must have happened for it; None: the bot's own doing."""


def the_log_is_what_was_written(story: Story) -> Judgements:
    """C4: no byte lost, none doubled, none changed, and never a part called whole."""
    for (execution, stream), stored in story.stored.items():
        seen = story.last_seen(execution)
        output = seen.output if seen is not None else Output()
        known = story.wrote.get((execution, stream), [])
        problem = _difference(stored, known, output, several=len(_streams(story, execution)) > 1)
        problem = problem or _miscounted(story, execution, output)
        events: tuple[Event, ...] = (stored, *known[-1:], *((seen,) if seen else ()))
        yield Judgement(rule=Rule.OUTPUT, about=(execution, stream), problem=problem, events=events)
    for execution in {*story.started, *story.granted}:
        seen = story.last_seen(execution)
        if seen is not None and seen.state == "finished":
            problem = _shown_falsely(story, execution, seen) or _told_without_cause(story, execution, seen.output)
            yield Judgement(rule=Rule.OUTPUT, about=(seen.task, execution), problem=problem, events=(seen,))


def _streams(story: Story, execution: str) -> list[str]:
    return [stream for one, stream in story.wrote if one == execution]


def _difference(stored: Stored, known: Sequence[Wrote], output: Output, *, several: bool) -> str:
    if not known:
        return f"{stored.length} bytes of a bot that wrote none" if stored.length else ""
    whole, end = known[-1], max(stored.length, output.bytes)
    stored, fault = _without_filling(stored, output.gaps, several=several)
    if fault:
        return fault
    if stored.length > whole.length:
        return f"{stored.length - whole.length} bytes more than the {whole.length} that were written"
    if not output.gaps:
        return _prefix_problem(stored, known) or _too_short(stored, whole, output)
    # Gaps stand in the output of all streams: behind its end they are behind the end of each.
    if all(gap.start >= end for gap in output.gaps):
        return _prefix_problem(stored, known)
    if stored.data is None or whole.data is None:
        return ""  # holes in the middle of what nobody has at hand: length and gaps are all that can be judged
    pieces = _pieces(stored.data, output.gaps)
    is_right = _is_within(stored.data, whole.data) if several else _fits(pieces, whole.data)
    return "" if is_right else "what is stored is not what was written less its gaps"


def _without_filling(stored: Stored, gaps: Sequence[Gap], *, several: bool) -> tuple[Stored, str]:
    """What is stored without the NULs that stand for what is gone, and what is wrong with them."""
    data = stored.data
    for gap in sorted(gaps, key=lambda gap: gap.start, reverse=True):
        if not gap.filled or data is None:
            continue
        nuls = bytes(gap.filled)
        # Among several streams nobody but the hub knows which of them has this place.
        place = data.find(nuls) if several else gap.start
        if data[place : place + gap.filled] == nuls and place >= 0:
            data = data[:place] + data[place + gap.filled :]
        elif not several:
            return stored, f"its gap at {gap.start} should be {gap.filled} NULs"
    if data is None or data is stored.data:
        return stored, ""
    return replace(stored, data=data, length=len(data), sha256=hashlib.sha256(data).hexdigest()), ""


def _prefix_problem(stored: Stored, known: Sequence[Wrote]) -> str:
    true = next((wrote.sha256 for wrote in known if wrote.length == stored.length), None)
    whole = known[-1]
    if true is None and whole.data is not None:
        true = hashlib.sha256(whole.data[: stored.length]).hexdigest()
    if true is None and stored.length:
        return f"nobody knows the first {stored.length} of {whole.length} bytes: the witness must tell them"
    return "" if true in {None, stored.sha256} else f"the first {stored.length} bytes are others than were written"


def _too_short(stored: Stored, whole: Wrote, output: Output) -> str:
    if stored.length == whole.length or output.state in {"arriving", "damaged"}:
        return ""
    return f"{whole.length - stored.length} of {whole.length} bytes are missing, and no gap is told"


def _miscounted(story: Story, execution: str, output: Output) -> str:
    """Gaps behind the end tell how many bytes are missing in all: they belong to no one stream."""
    stored = sum(each.length for (one, _), each in story.stored.items() if one == execution)
    is_tail = bool(output.gaps) and all(gap.start >= stored for gap in output.gaps)
    if not is_tail or any(gap.bytes is None for gap in output.gaps):
        return ""
    told = sum(gap.bytes or 0 for gap in output.gaps)
    missing = sum(known[-1].length for (one, _), known in story.wrote.items() if one == execution and known) - stored
    return "" if told == missing else f"{missing} bytes are missing, {told} are told"


def _pieces(data: bytes, gaps: Sequence[Gap]) -> list[tuple[bytes, int | None]]:
    """What stands before each gap with the bytes that the gap took; the last piece has no gap behind it."""
    ordered = sorted(gaps, key=lambda gap: gap.start)
    filled = list(accumulate((gap.filled for gap in ordered), initial=0))
    ends = [0, *(gap.start - before for gap, before in zip(ordered, filled, strict=False)), len(data)]
    texts = [data[start:end] for start, end in pairwise(ends)]
    return list(zip(texts, [*(gap.bytes for gap in ordered), 0], strict=True))


def _fits(pieces: list[tuple[bytes, int | None]], whole: bytes) -> bool:
    """Whether the pieces, with holes of these sizes between them, make the whole."""
    places = {0}
    for text, hole in pieces:
        ends = {place + len(text) for place in places if whole.startswith(text, place)}
        if hole is None:
            places = set(range(min(ends), len(whole) + 1)) if ends else set()
        else:
            places = {end + hole for end in ends}
    return len(whole) in places


def _is_within(part: bytes, whole: bytes) -> bool:
    """Whether `part` is `whole` with some bytes left out: all that can be said where streams are mixed."""
    rest = iter(whole)
    return all(byte in rest for byte in part)


def _shown_falsely(story: Story, execution: str, seen: Seen) -> str:
    """What is said of completeness agrees with itself and with the bytes that one gets."""
    output = seen.output
    stored = [one for (owner, _), one in story.stored.items() if owner == execution]
    if output.complete and output.gaps:
        return "called complete, with gaps"
    if output.complete != (output.state == "complete"):
        return f"state {output.state}, complete {output.complete}"
    if stored and sum(one.length for one in stored) != output.bytes:
        return f"{sum(one.length for one in stored)} bytes stored, {output.bytes} shown"
    if output.complete and len(stored) == 1 and output.sha256 != stored[0].sha256:
        return "called complete, with another sha256 than the bytes have"
    if not story.is_closed or not story.started.get(execution):
        return ""
    if output.state in {"arriving", "none"}:
        return f"still {output.state} at the end"
    return "incomplete, and no gap is told" if output.state == "incomplete" and not output.gaps else ""


def _told_without_cause(story: Story, execution: str, output: Output) -> str:
    for gap in output.gaps:
        if gap.reason not in GAP_EXCUSES:
            return f"a gap for an unknown reason: {gap.reason}"
        excuse = GAP_EXCUSES[gap.reason]
        if excuse is not None and not story.struck(execution, excuse):
            return f"a gap at {gap.start} ({gap.reason}), and nothing happened that could be the cause"
    if output.state == "damaged" and not story.struck(execution, {FaultKind.BYTES_DAMAGED, FaultKind.DISK_ERROR}):
        return "called damaged, and nothing damaged it"
    return ""
