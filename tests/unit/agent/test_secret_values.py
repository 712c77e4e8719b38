"""Which texts of a task are masked in its output: those of its secret parameters, however deep they stand (S15)."""

from typing import Any

import pytest

from agent.daemon.handover import secret_values
from tests.support import session


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        ("hunter2", {b"hunter2"}),
        ("zwölf", {"zwölf".encode()}),
        (123456, {b"123456"}),
        (1.25, {b"1.25"}),
        ({"user": "robot", "keys": ["k-1111", {"deep": "k-2222"}]}, {b"robot", b"k-1111", b"k-2222"}),
        ("", set()),
        (None, set()),
        (True, set()),
        ("\ud800", {b"\xed\xa0\x80"}),
    ],
)
def test_every_text_of_a_secret_is_one(value: Any, texts: set[bytes]) -> None:
    """A bot prints what it took out of its parameter, not Python's idea of the whole of it."""
    work = session.work()
    task = work.task.model_copy(update={"parameters": {"pin": value, "month": "March"}})
    assert texts == set(secret_values(work.model_copy(update={"task": task, "secret_parameters": ("pin",)})))
