"""Why a runner gets no work: every reason, since when, and what ends it; what else happens to be so is not told."""

from datetime import timedelta
from typing import Any

import pytest

from agent.wire.condition import Condition, ConditionFault, DesktopKind, DesktopState, FaultCode
from hub.domain.credit import Offer
from hub.domain.no_work import NoWork, NoWorkCode, Scope, Standing, reasons
from hub.domain.window import Window
from tests.support.clock import START

WINDOW = Window(
    id="wnd_1", runner_id="r", starts_at=START, ends_at=START + timedelta(hours=1), reason="updates", created_by="ana"
)


def offer(**rest: Any) -> Offer:
    said = {"free_slots": (0,), "builds": frozenset(), "withheld": frozenset(), "is_draining": False}
    return Offer(runner_id="r", **{**said, "is_ready": True, "is_paused": False, **rest})


def told(**known: Any) -> list[NoWork]:
    usual: dict[str, Any] = {"name": "vm1", "slots": 1, "is_linked": True, "gone_since": START, "offer": offer()}
    return list(reasons(Standing(**{**usual, **known}), START))


def fault(code: str, **rest: Any) -> ConditionFault:
    said = {"message": f"it is {code}", "remedy": "mend it.", "since": START, **rest}
    return ConditionFault(code=FaultCode(code), **said)


LOCKED = DesktopState(slot=0, kind=DesktopKind.X11, name=":0", faults=(fault("locked"),))


def test_a_runner_that_gets_work_has_no_reason() -> None:
    assert [] == told()
    assert [] == told(offer=None), "another hub has its session"


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"revoked_at": START, "is_linked": False, "draining": True}, ["revoked"]),
        ({"quarantined_at": START, "is_copied": True, "draining": True, "is_linked": False}, ["quarantined"]),
        ({"quarantined_at": START, "quarantine_reason": "5 failed"}, ["quarantined"]),
        ({"is_linked": False, "offer": None}, ["offline"]),
        ({"is_linked": False, "gone_since": None, "offer": None, "draining": True}, ["offline", "drained"]),
        ({"draining": True, "drained_by": "ana", "offer": offer(is_ready=False, unfit=("draining",))}, ["drained"]),
        ({"window": WINDOW, "offer": offer(free_slots=())}, ["maintenance"]),
        ({"offer": offer(is_ready=False, unfit=("no idle shim",))}, ["closed"]),
        ({"offer": offer(is_ready=False)}, ["closed"]),
        ({"offer": offer(is_paused=True)}, ["paused"]),
        ({"offer": offer(free_slots=()), "tasks": ["7"], "busy_since": START}, ["busy"]),
        ({"offer": offer(free_slots=())}, ["no_slot"]),
        (
            {
                "condition": Condition(faults=(fault("clock_off"),)),
                "offer": offer(is_ready=False, unfit=("draining", "its clock is off")),
            },
            ["unfit"],
        ),
        ({"condition": Condition(desktops=(LOCKED,))}, ["unfit"]),
        (
            {"condition": Condition(desktops=(LOCKED,)), "offer": offer(free_slots=()), "tasks": ["7"]},
            ["unfit", "busy"],
        ),
        (
            {
                "condition": Condition(faults=(fault("low_disk"),)),
                "offer": offer(is_ready=False, unfit=("low_disk",), free_slots=()),
            },
            ["unfit"],
        ),
        (
            {
                "condition": Condition(faults=(fault("low_disk"),)),
                "offer": offer(is_ready=False, unfit=("low_disk", "no idle shim")),
            },
            ["unfit", "closed"],
        ),
    ],
)
def test_each_reason_is_told_once(known: dict[str, Any], expected: list[str]) -> None:
    found = told(**known)
    assert expected == [one.code for one in found]
    assert all(one.message.endswith(".") for one in found)
    waits = {NoWorkCode.BUSY, NoWorkCode.PAUSED}
    assert all(one.remedy for one in found if one.code not in waits)
    unknown = {NoWorkCode.CLOSED, NoWorkCode.PAUSED, NoWorkCode.NO_SLOT}
    asked = [one for one in found if one.code not in unknown and not (known.get("draining") or "gone_since" in known)]
    assert all(one.since == START for one in asked if one.code is not NoWorkCode.BUSY or known.get("busy_since"))


def test_faults_say_which_work_they_keep_away() -> None:
    """The machine's first: they keep all away."""
    missing = fault("application_missing", application="excel")
    condition = Condition(desktops=(LOCKED,), faults=(missing, fault("no_browser"), fault("clock_off")))
    found = [(one.fault, one.scope, one.slot, one.application) for one in told(condition=condition)]
    assert found == [
        ("clock_off", Scope.ALL, None, None),
        ("application_missing", Scope.APPLICATION, None, "excel"),
        ("no_browser", Scope.APPLICATION, None, "browser"),
        ("locked", Scope.DESKTOP, 0, None),
    ]
    gone = fault("application_missing", application="sap", message="sap is not at /opt/sap")
    (named,) = told(condition=Condition(faults=(gone,)))
    assert named.message == "sap is not at /opt/sap since 12:00 UTC.", "a name stays as it is"
    (one,) = told(condition=Condition(desktops=(LOCKED,)))
    assert ("Its desktop :0 is locked since 12:00 UTC.", "mend it.") == (one.message, one.remedy)


def test_who_drained_it_and_why_is_told() -> None:
    (one,) = told(draining=True, drained_by="token:ana", drain_reason="new driver", drained_at=START)
    assert ("It is drained: new driver (by token:ana).", START) == (one.message, one.since)
    assert "botyard runner resume vm1." == one.remedy
