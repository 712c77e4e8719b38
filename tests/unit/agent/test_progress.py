"""Telling how far bots are: the newest word, once a second, again to a new session (`bot-packages.md` §7)."""

from agent.progress import ProgressNotes, Said
from tests.support.session import AT


def said(percent: float, execution: str = "exe_1") -> Said:
    """A word."""
    return Said(execution_id=execution, percent=percent, text="", at=AT)


def test_the_first_word_is_told_at_once_and_then_the_newest_of_each_second() -> None:
    """What was said in between is told no more."""
    notes = ProgressNotes()
    notes.note(said(1))
    assert [said(1)] == notes.due(10.0)
    notes.note(said(2))
    notes.note(said(3))
    assert [] == notes.due(10.9)
    assert [said(3)] == notes.due(11.0)
    assert [] == notes.due(20.0)


def test_it_says_when_there_is_something_to_tell() -> None:
    """So that nobody looks each second."""
    notes = ProgressNotes()
    assert notes.due_at() == float("inf")
    notes.note(said(1))
    assert notes.due_at() <= 10.0
    notes.due(10.0)
    assert notes.due_at() == float("inf")
    notes.note(said(2))
    assert notes.due_at() == 11.0


def test_bots_do_not_wait_for_each_other() -> None:
    """Each has its own second."""
    notes = ProgressNotes()
    notes.note(said(1))
    notes.due(10.0)
    notes.note(said(2))
    notes.note(said(7, "exe_2"))
    assert [said(7, "exe_2")] == notes.due(10.1)


def test_a_new_session_is_told_the_last_word_again() -> None:
    """Nothing is acknowledged: what was sent to the old one may never have arrived."""
    notes = ProgressNotes()
    notes.note(said(1))
    notes.due(10.0)
    notes.again()
    assert [said(1)] == notes.due(10.1)


def test_the_last_word_of_a_bot_waits_for_no_second() -> None:
    """It goes ahead of the exit; told already, it is not told twice."""
    notes = ProgressNotes()
    notes.note(said(1))
    notes.due(10.0)
    notes.note(said(100))
    assert [said(100)] == notes.last("exe_1", 10.2)
    assert [] == notes.last("exe_1", 10.3)
    assert [] == notes.last("exe_2", 10.3)
    notes.forget("exe_1")
    notes.again()
    assert [] == notes.due(20.0)
