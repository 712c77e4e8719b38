"""The table of routes (maestro.md §2)."""

from agent.wire.maestro_answers import MAESTRO_VERSION, error_object, json_object, task_number
from hub.domain.access import Role
from hub.maestro.routes import ROWS


def test_no_row_hides_another() -> None:
    """Fixed words stand before names, and no call is served twice."""
    shapes = [(row.method, tuple("{}" if part[:1] == "{" else part for part in row.path.split("/"))) for row in ROWS]

    assert len(shapes) == len(set(shapes))
    for later, (method, shape) in enumerate(shapes):
        for other, earlier in shapes[:later]:
            covers = len(earlier) == len(shape) and all(a in {"{}", b} for a, b in zip(earlier, shape, strict=True))
            assert not (other == method and covers)


def test_only_version_and_login_are_open() -> None:
    """reliability.md S7: default deny; reads for viewers, everything else for operators at least."""
    assert {row.path for row in ROWS if row.role is None} == {"/maestro/version", "/workspace/login"}
    for row in ROWS:
        if row.role is not None:
            assert row.role == (Role.VIEWER if row.method == "GET" else Role.OPERATOR)


def test_ids_are_lenient_and_never_an_error_of_form() -> None:
    """§1.6: integer or decimal string; everything else is not there."""
    assert [task_number(text) for text in ("7", 7, "007", " 7", "7.0", "-7", "0", 0, True, None, "７")] == [
        *(7, 7, 7),
        *(None,) * 8,
    ]


def test_an_error_is_an_object_with_a_message() -> None:
    """§1.3."""
    assert error_object(404, "Task 77 does not exist", "/api/v2/task/77") == {
        "status": 404,
        "error": "Not Found",
        "message": "Task 77 does not exist",
        "path": "/api/v2/task/77",
    }
    assert error_object(499, "m", "p")["error"] == "Error"


def test_empty_bodies_have_no_members() -> None:
    """§1.1: an empty body is not parsed as JSON."""
    assert [json_object(body) for body in (b"", b"  ", b"null", b"{}")] == [{}] * 4
    assert MAESTRO_VERSION.count(".") == 2


def test_half_a_letter_becomes_a_mark() -> None:
    """A text cut within an emoji, or a name of a file that is no UTF-8, as JSON has it: no database could hold it."""
    assert json_object(b'{"a\\ud83d": ["\\ud83d", "\\ud83d\\ude00"]}') == {"a?": ["?", "😀"]}
