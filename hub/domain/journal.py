"""The journal of side effects: what an item's attempts did outside, so that no retry does it again.

A bot asks before it does something that must not happen twice (``pay``, ``send``), does it, and says how it went. The
attempt that asks next is told `done` with the stored result, `not_done`, or `unknown`: an earlier attempt said that it
was about to do it, and never said more. Only a person, or a look at the other side (a probe), can tell then.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

KEY_MAX = 200
"""Longest name of an effect."""


def is_name(key: str) -> bool:
    """Whether an effect may be called so: 1 to `KEY_MAX` characters that can be shown."""
    return 0 < len(key) <= KEY_MAX and key.isprintable()


class EffectState(StrEnum):
    """What is known of an effect."""

    INTENDED = "intended"
    """Somebody is about to do it, or was when his attempt ended: then nobody knows."""
    DONE = "done"
    NOT_DONE = "not_done"


class Answer(StrEnum):
    """What a bot is told."""

    GO = "go"
    """Do it now, and say how it went; nobody did it."""
    DONE = "done"
    """It was done: here is the result."""
    UNKNOWN = "unknown"
    """An earlier attempt may have done it: look at the other side, or leave it to a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the journal has of a key."""

    state: EffectState
    fence: int
    """The attempt that spoke last."""


def ask(known: Known | None, fence: int) -> Answer:
    """What the attempt of that fence is told; `go` writes its intent."""
    if known is None:
        return Answer.GO
    match known.state:
        case EffectState.DONE:
            return Answer.DONE
        case EffectState.NOT_DONE:
            return Answer.GO
        case EffectState.INTENDED:
            # Its own word came twice (the answer was lost): the bot waits for it and has done nothing yet.
            return Answer.GO if known.fence == fence else Answer.UNKNOWN
    assert_never(known.state)


def may_settle(known: Known | None, outcome: EffectState) -> bool:
    """Whether `outcome` may be written over what is known: what was done stays done."""
    return known is not None and (known.state is not EffectState.DONE or outcome is EffectState.DONE)
