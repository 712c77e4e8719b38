"""C7, C8, C10, C11, C12: one completion and one task for each, no secret stored, nothing left alive, all bounded."""

from collections import defaultdict

from tests.history.events import Acked, Bound, Event, Fired, ItemDone, Left, Searched, SecretFound
from tests.history.story import Judgement, Judgements, Rule, Story


def one_completion_per_item(story: Story) -> Judgements:
    """C7: an item's completion is accepted once."""
    done: dict[str, list[ItemDone]] = defaultdict(list)
    for event in (event for event in story.events if isinstance(event, ItemDone)):
        done[event.item].append(event)
    for item, several in done.items():
        problem = f"completed {len(several)} times" if len(several) > 1 else ""
        about = (item, *(one.execution for one in several))
        yield Judgement(rule=Rule.ONE_COMPLETION, about=about, problem=problem, events=tuple(several))


def one_task_per_cause(story: Story) -> Judgements:
    """C8: a trigger's moment makes one task; so does an idempotency key (P11), however often it is sent."""
    made: dict[tuple[str, str], list[Acked | Fired]] = defaultdict(list)
    for event in story.events:
        if isinstance(event, Fired):
            made[event.trigger, event.scheduled_for].append(event)
        elif isinstance(event, Acked) and event.key is not None:
            made["key", event.key].append(event)
    for cause, several in made.items():
        tasks = tuple(dict.fromkeys(one.task for one in several))
        problem = f"{len(tasks)} tasks of {' '.join(cause)}" if len(tasks) > 1 else ""
        yield Judgement(rule=Rule.ONE_TASK, about=tasks, problem=problem, events=tuple(several))


def no_secret_is_stored(story: Story) -> Judgements:
    """C10: none of the seeded secrets stands in what was searched."""
    for event in story.events:
        if isinstance(event, SecretFound):
            problem = f"{event.name} stands in {event.where}"
            yield Judgement(rule=Rule.NO_SECRET, about=(event.name,), problem=problem, events=(event,))
    yield from _searched(story, Rule.NO_SECRET)


def nothing_is_left(story: Story) -> Judgements:
    """C11: no process, file, task or descriptor outlives the end; where an end is recorded, someone looked."""
    for event in story.events:
        if isinstance(event, Left):
            yield Judgement(rule=Rule.NOTHING_LEFT, about=(event.what,), problem="left behind", events=(event,))
    looked = list(_searched(story, Rule.NOTHING_LEFT))
    yield from looked
    if story.is_closed and not looked:
        yield Judgement(rule=Rule.NOTHING_LEFT, about=(), problem="it ended, and nobody looked what is left")


def everything_is_bounded(story: Story) -> Judgements:
    """C12: what was measured is within its limit."""
    for event in story.events:
        if isinstance(event, Bound):
            problem = f"{event.value:g}, the limit is {event.limit:g}" if event.value > event.limit else ""
            yield Judgement(rule=Rule.BOUNDED, about=(event.name,), problem=problem, events=(event,))


def _searched(story: Story, rule: Rule) -> Judgements:
    found: list[Event] = [event for event in story.events if isinstance(event, Searched) and event.rule == rule]
    for event in found:
        yield Judgement(rule=rule, about=(), events=(event,))
