"""Judge a history (`reliability.md` T2): C1-C8 and C10-C12, and what D9 says of losses. Pure.

Every rule tells how much it judged, so that a history with nothing to judge is not mistaken for a good one.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from tests.history import attempts, ends, leftovers, outputs
from tests.history.events import Event
from tests.history.recorder import dumps
from tests.history.story import Judgement, Judgements, Rule, Story

RULES: dict[Rule, Callable[[Story], Judgements]] = {
    Rule.ENDS: attempts.every_acked_task_ends,
    Rule.ONE_START: attempts.one_start_per_fence,
    Rule.NO_OVERLAP: attempts.attempts_never_overlap,
    Rule.OUTPUT: outputs.the_log_is_what_was_written,
    Rule.TRUE_END: ends.the_end_is_true,
    Rule.FROZEN: attempts.a_settlement_never_changes,
    Rule.ONE_COMPLETION: leftovers.one_completion_per_item,
    Rule.ONE_TASK: leftovers.one_task_per_cause,
    Rule.NO_SECRET: leftovers.no_secret_is_stored,
    Rule.NOTHING_LEFT: leftovers.nothing_is_left,
    Rule.BOUNDED: leftovers.everything_is_bounded,
    Rule.NOT_LOST_EARLY: attempts.nothing_is_lost_early,
}
_SHOWN_EVENTS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the checker says of a history."""

    judged: Counter[Rule]
    """How many things each rule looked at."""
    violations: tuple[Judgement, ...]

    @property
    def is_good(self) -> bool:
        """Whether no rule was broken."""
        return not self.violations

    def text(self) -> str:
        """Each violation with its rule, ids and events; `good` without any."""
        return "\n".join(described(one) for one in self.violations) or "good"


def check(events: Sequence[Event], rules: Collection[Rule] = tuple(Rule)) -> Verdict:
    """Judge these events, in the order in which they were recorded, by these rules."""
    story = Story(events)
    judgements = [one for rule in rules for one in RULES[rule](story)]
    return Verdict(
        judged=Counter(one.rule for one in judgements),
        violations=tuple(one for one in judgements if one.problem),
    )


def described(one: Judgement) -> str:
    """A violation for people: rule, what about, what is wrong, and the events that say so."""
    lines = dumps(one.events[:_SHOWN_EVENTS]).splitlines()
    return "\n    ".join([f"{one.rule} {' '.join(one.about)}: {one.problem}", *lines])
