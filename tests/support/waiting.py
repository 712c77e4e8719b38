"""Waiting for something to become true; a test never sleeps by itself.

All times of tests are multiples of one unit, a second unless `BOTYARD_TEST_UNIT` says more for a slow machine.
"""

import asyncio
import inspect
import os
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

T = TypeVar("T")

UNIT_S = float(os.environ.get("BOTYARD_TEST_UNIT", "1"))
_FIRST_PAUSE_S = 0.005
_LONGEST_PAUSE_S = 0.1


def seconds(units: float) -> float:
    """Turn test units into seconds, for limits that go to code under test."""
    return units * UNIT_S


@overload
async def eventually(check: Callable[[], Awaitable[T]], *, within: float = 30.0, saying: str = "") -> T: ...
@overload
async def eventually(check: Callable[[], T], *, within: float = 30.0, saying: str = "") -> T: ...
async def eventually(check: Callable[[], object], *, within: float = 30.0, saying: str = "") -> object:
    """Call `check` until it returns something true and return that; async or plain checks alike.

    An AssertionError of `check` counts as "not yet". After `within` units the last one is raised again, or an
    AssertionError with `saying` and the last answer.
    """
    deadline = time.monotonic() + seconds(within)
    pause = _FIRST_PAUSE_S
    while True:
        answer, problem = await _ask(check)
        if problem is None and answer:
            return answer
        if time.monotonic() >= deadline:
            raise _too_late(answer, problem, within, saying)
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE_S)


def eventually_sync(check: Callable[[], T], *, within: float = 30.0, saying: str = "") -> T:
    """Do as `eventually` does, from a test without an event loop."""
    deadline = time.monotonic() + seconds(within)
    pause = _FIRST_PAUSE_S
    while True:
        answer: T | None = None
        problem: AssertionError | None = None
        try:
            answer = check()
        except AssertionError as error:
            problem = error
        if problem is None and answer:
            return answer
        if time.monotonic() >= deadline:
            raise _too_late(answer, problem, within, saying)
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE_S)


async def _ask(check: Callable[[], object]) -> tuple[object, AssertionError | None]:
    try:
        answer = check()
        if inspect.isawaitable(answer):
            answer = await answer
    except AssertionError as error:
        return None, error
    return answer, None


def _too_late(answer: object, problem: AssertionError | None, within: float, saying: str) -> AssertionError:
    if problem is not None:
        return problem
    return AssertionError(f"not within {within} units{': ' + saying if saying else ''} (last answer: {answer!r})")
