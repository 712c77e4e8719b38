"""Reasons that are the condition of runners: what they have can't be used now."""

from collections.abc import Sequence

from agent.wire.condition import Condition
from hub.domain.condition import DESKTOP_SIZE, could_fit, desktops_for, hindering, in_words, sentence
from hub.domain.waiting.known import FitCandidate, Waiting
from hub.domain.waiting.reason import WaitingCode, WaitingReason, few, latest

_TOLD_MAX = 5


def of_unfit(waiting: Waiting, runners: Sequence[FitCandidate]) -> tuple[WaitingReason, ...]:
    """What is wrong with each of them, the one first that lacks least; five at most."""
    told = [_of_runner(waiting, one, one.condition) for one in runners if one.condition is not None]
    return tuple(reason for _, reason in sorted(told, key=lambda one: one[0])[:_TOLD_MAX])


def no_desktop(waiting: Waiting) -> WaitingReason:
    """None has the desktop, its size or the applications, or these and the labels together."""
    parts = in_words(waiting.needs)
    lacks = {
        one.name: [words for words, part in parts.items() if not could_fit(one.labels, one.condition, part)]
        for one in waiting.runners
    }
    nearest = min(lacks, key=lambda name: len(lacks[name]))
    by_nobody = [words for words in parts if all(words in lacking for lacking in lacks.values())]
    if by_nobody:
        message = f"No runner has {' or '.join(by_nobody)}."
    else:
        message = f"No single runner has all of {', '.join(words.partition(' ')[2] for words in parts)}."
    if lacks[nearest]:
        message += f" {nearest} lacks only {' and '.join(lacks[nearest])}{_instead(waiting, nearest)}."
    change = _change(waiting, by_nobody or lacks[nearest])
    # A task that waits keeps the needs that it was asked with.
    remedy = f"Bring a runner in that has it; or {change}, cancel this task and ask again."
    since = waiting.queued_at
    return WaitingReason(code=WaitingCode.NO_RUNNER, message=message, runner=nearest, since=since, remedy=remedy)


def _instead(waiting: Waiting, name: str) -> str:
    """Which sizes its desktops have, where only that is the matter."""
    known = next(one.condition for one in waiting.runners if one.name == name)
    if known is None or DESKTOP_SIZE not in waiting.needs or desktops_for(known, waiting.needs):
        return ""
    sizes = sorted({f"{one.width}x{one.height}" for one in known.desktops if one.width and one.height})
    return f" (it has {few(sizes)})" if sizes else ""


def _change(waiting: Waiting, lacking: Sequence[str]) -> str:
    """What would do without it."""
    options = []
    if any(words.startswith("a desktop of") for words in lacking):
        options.append("--desktop-size any")
    if "a desktop" in lacking:
        options.append("--desktop any")
    if any(words.startswith("the application") for words in lacking):
        options.append("--application none")
    if not options:
        return f"change what {waiting.automation} needs"
    return f"botyard automation edit {waiting.automation} {' '.join(options)}"


def _of_runner(waiting: Waiting, runner: FitCandidate, condition: Condition) -> tuple[int, WaitingReason]:
    """How much is wrong, and what: the first of it is what the remedy and the code are about."""
    faults = hindering(condition, waiting.needs)
    if not faults:
        message = f"No slot of {runner.name} has all that is needed at once."
        since = waiting.queued_at
        return 0, WaitingReason(code=WaitingCode.UNFIT, message=message, runner=runner.name, since=since)
    what = "; ".join(sentence(desktop, fault, waiting.now) for desktop, fault in faults)
    remedies = list(dict.fromkeys(fault.remedy.rstrip(" .") for _, fault in faults if fault.remedy))
    reason = WaitingReason(
        code=WaitingCode.UNFIT,
        message=f"{runner.name}: {what}.",
        runner=runner.name,
        since=latest(waiting.queued_at, *(fault.since for _, fault in faults)),
        fault=faults[0][1].code,
        remedy=f"{'; and '.join(remedies)}." if remedies else f"Mend that on {runner.name}: botyard-agent doctor.",
    )
    return len(faults), reason
