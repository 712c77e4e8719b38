"""C1, C2, C3, C6 and D9: every task ends, once; it is started at most as often as was asked, never twice at a time."""

from collections import defaultdict
from itertools import pairwise

from tests.history.events import CancelAsked, FaultKind, Gone, Granted, Released, Seen, Settled, Started
from tests.history.story import Judgement, Judgements, Rule, Story

KEPT_S = 24 * 3600
"""core.md D9: under `keep` a task is lost only after this."""
_NO_OUTCOME_YET = {"waiting", "queued", "running"}


def every_acked_task_ends(story: Story) -> Judgements:
    """C1: what the API answered for is there for ever, and in the end it is finished."""
    restored = [fault.at for fault in story.faults if fault.what is FaultKind.HUB_RESTORED]
    gone = {event.task: event for event in story.events if isinstance(event, Gone)}
    for task, acked in story.acked.items():
        if task in gone:
            # A restored backup knows nothing of what was acknowledged after it was made (R20 says so).
            problem = "" if any(at >= acked.at for at in restored) else "acknowledged, then gone"
            yield Judgement(rule=Rule.ENDS, about=(task,), problem=problem, events=(gone[task],))
        elif story.is_closed:
            looks = story.seen.get(task, [])
            state = looks[-1].state if looks else "nobody saw it"
            problem = "" if state == "finished" else f"never finished: {state}"
            yield Judgement(rule=Rule.ENDS, about=(task,), problem=problem, events=(acked, *looks[-1:]))


def one_start_per_fence(story: Story) -> Judgements:
    """C2: a permit starts one bot at most, a void starts none, fences of a task only grow."""
    by_fence: dict[tuple[str, int], list[Started]] = defaultdict(list)
    for started in story.starts():
        by_fence[started.task, started.fence].append(started)
    for (task, fence), several in by_fence.items():
        executions = tuple(dict.fromkeys(one.execution for one in several))
        problem = f"{len(several)} starts under fence {fence}" if len(several) > 1 else ""
        yield Judgement(rule=Rule.ONE_START, about=(task, *executions), problem=problem, events=tuple(several))
    for execution, several in story.started.items():
        yield Judgement(
            rule=Rule.ONE_START,
            about=(several[0].task, execution),
            problem=_not_permitted(story, several),
            events=tuple(several),
        )
    yield from _fences_grow(story)


def _not_permitted(story: Story, several: list[Started]) -> str:
    first = several[0]
    if len(several) > 1:
        return f"started {len(several)} times"
    if first.execution in story.voided:
        return "started, though void"
    granted = story.granted.get(first.execution)
    if granted is None:
        return "started without a permit" if story.granted else ""
    return "" if granted.fence == first.fence else f"permit of fence {granted.fence} started as {first.fence}"


def _fences_grow(story: Story) -> Judgements:
    by_task: dict[str, list[Granted]] = defaultdict(list)
    for granted in (event for event in story.events if isinstance(event, Granted)):
        by_task[granted.task].append(granted)
    for task, grants in by_task.items():
        for before, after in pairwise(grants):
            problem = "" if after.fence > before.fence else f"fence {after.fence} granted after {before.fence}"
            yield Judgement(rule=Rule.ONE_START, about=(task,), problem=problem, events=(before, after))


def attempts_never_overlap(story: Story) -> Judgements:
    """C3: attempts of a task come one after another, no more than were asked for, none after its end was shown."""
    by_task: dict[str, list[Started]] = defaultdict(list)
    for started in story.starts():
        by_task[started.task].append(started)
    for task, several in by_task.items():
        for before, after in pairwise(several):
            ended = story.ended.get(before.execution)
            is_over = ended is not None and ended.at <= after.at
            problem = "" if is_over else f"{after.execution} started while {before.execution} ran"
            yield Judgement(rule=Rule.NO_OVERLAP, about=(task,), problem=problem, events=(before, after))
        yield Judgement(
            rule=Rule.NO_OVERLAP, about=(task,), problem=_too_many(story, task, several), events=tuple(several)
        )


def _too_many(story: Story, task: str, several: list[Started]) -> str:
    acked, finished = story.acked.get(task), story.finished(task)
    if acked is not None and len(several) > acked.attempts:
        return f"{len(several)} attempts, {acked.attempts} asked for"
    # An unconfirmed end, a loss and an operator's word leave open whether it runs; all others know.
    if finished is None or finished.outcome == "lost" or finished.reason == "unconfirmed":
        return ""
    late = [one.execution for one in several if one.at > finished.at]
    return f"{', '.join(late)} started after it was shown {finished.outcome}" if late else ""


def a_settlement_never_changes(story: Story) -> Judgements:
    """C6: settled once; what was shown as its end is shown for ever; output once complete stays so."""
    settled: dict[str, list[Settled]] = defaultdict(list)
    for event in (event for event in story.events if isinstance(event, Settled)):
        settled[event.task].append(event)
    for task, several in settled.items():
        problem = f"settled {len(several)} times" if len(several) > 1 else ""
        finished = story.finished(task)
        if not problem and finished is not None and finished.outcome != several[0].outcome:
            problem = f"settled {several[0].outcome}, shown {finished.outcome}"
        yield Judgement(rule=Rule.FROZEN, about=(task,), problem=problem, events=tuple(several))
    for task, looks in story.seen.items():
        for before, after in pairwise(looks):
            problem = _moved_back(before, after)
            yield Judgement(rule=Rule.FROZEN, about=(task,), problem=problem, events=(before, after))


def _moved_back(before: Seen, after: Seen) -> str:
    if before.state == "finished":
        for name in ("state", "outcome", "reason", "exit_code", "signal", "execution", "report"):
            was, now = getattr(before, name), getattr(after, name)
            if was != now:
                return f"its end was shown, then {name} went from {was} to {now}"
    elif before.state in {"queued", "running"} and after.state == "waiting":
        return f"{before.state}, then waiting"
    if before.execution != after.execution or not before.output.complete:
        return ""
    was_output, now_output = before.output, after.output
    if not now_output.complete or (was_output.bytes, was_output.sha256) != (now_output.bytes, now_output.sha256):
        return "its output was complete, then another"
    return ""


def nothing_is_lost_early(story: Story) -> Judgements:
    """D9: under `keep` a task is lost 24 h after its runner went, or by an operator; never sooner."""
    people = {event.task for event in story.events if isinstance(event, CancelAsked | Released)}
    for task, acked in story.acked.items():
        finished = story.finished(task)
        if finished is None or finished.outcome != "lost" or not acked.keep or task in people:
            continue
        execution = finished.execution or ""
        if story.struck(execution, {FaultKind.RUNNER_REVOKED}):
            continue
        granted = story.granted.get(execution)
        waited_s = finished.at - (granted.at if granted else acked.at)
        problem = "" if waited_s >= KEPT_S else f"lost after {waited_s:.0f} s, under keep"
        yield Judgement(rule=Rule.NOT_LOST_EARLY, about=(task, execution), problem=problem, events=(finished,))
