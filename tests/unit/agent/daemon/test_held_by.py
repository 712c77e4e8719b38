"""What a resume tells is the whole table: an order that is still on its way to its shim is in it (D5, D8, R3)."""

from types import SimpleNamespace
from typing import Any, cast

from agent.daemon.inventory import held_by
from agent.execution import LocalExecution, Phase


def test_an_order_without_a_verdict_is_held() -> None:
    """D5: it enters the table in the step that decodes `Start`; D8: left out of a resume it would count as absent.

    The hub would grant it again, and the shim that has it could still link `started`: run twice (R3).
    """
    keepers = {}
    for number, phase in enumerate(Phase):
        id_ = f"exe_{number}" + "0" * 31
        value = LocalExecution(execution_id=id_, task_id="tsk_" + "0" * 32, fence=number + 1, phase=phase)
        keepers[id_] = SimpleNamespace(value=value, order=SimpleNamespace(work=None), available=0)
    told = held_by(cast("Any", SimpleNamespace(keepers=keepers)))
    assert list(keepers) == [one.execution_id for one in told]
    verdicts = dict(zip(Phase, (one.verdict for one in told), strict=True))
    assert "none" == verdicts[Phase.ORDERED] == verdicts[Phase.HANDED_OVER]
    assert ("started", "void") == (verdicts[Phase.STARTED], verdicts[Phase.VOID])
