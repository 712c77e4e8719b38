"""The journal's answers: the whole table of what is known and who asks."""

import pytest

from hub.domain.journal import Answer, EffectState, Known, ask, may_settle


@pytest.mark.parametrize(
    ("state", "same", "answer"),
    [
        (EffectState.INTENDED, True, Answer.GO),
        (EffectState.INTENDED, False, Answer.UNKNOWN),
        (EffectState.DONE, True, Answer.DONE),
        (EffectState.DONE, False, Answer.DONE),
        (EffectState.NOT_DONE, True, Answer.GO),
        (EffectState.NOT_DONE, False, Answer.GO),
    ],
)
def test_asking(state: EffectState, same: bool, answer: Answer) -> None:
    """What an attempt is told, by what is known and whether it is of this attempt."""
    assert ask(Known(state=state, fence=4 if same else 3), 4) is answer


def test_nobody_asked_before() -> None:
    """Then it may."""
    assert ask(None, 1) is Answer.GO
    assert not may_settle(None, EffectState.DONE)


@pytest.mark.parametrize("state", list(EffectState))
@pytest.mark.parametrize("outcome", [EffectState.DONE, EffectState.NOT_DONE])
def test_settling(state: EffectState, outcome: EffectState) -> None:
    """What was done stays done; everything else may be said."""
    may = may_settle(Known(state=state, fence=1), outcome)
    assert may is not (state is EffectState.DONE and outcome is EffectState.NOT_DONE)
