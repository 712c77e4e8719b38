"""Wrong guesses against every command: the sentence that each gets, and its exit code."""

import pytest

from tests.support.api_hub import ApiWorld
from tests.support.typed import Typed


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("task", "show", "999"), 1, "There is no task '999' here"),
        (("run", "nothing"), 1, "There is no automation 'nothing' here"),
        (("run", "strict"), 2, "parameters.month: missing"),
        (("run", "invoices", "-p", "month"), 2, "no name=value"),
        (("run", "invoices", "-p", "month:=nope"), 2, "takes json"),
        (("run",), 2, "See botyard run --help"),
        (("rnu",), 2, "No such command"),
        (("run", "invoices", "--frob"), 2, "No such option: --frob. See botyard run --help."),
        (("hub", "serve", "--data", "/dev/null/x", "--database", "foo"), 2, "--database is not a database URL"),
        (("deploy", "/does/not/exist"), 2, "there is no /does/not/exist"),
        (("automation", "create", "pagination", "--bot", "invoices"), 2, "fixed word"),
        (("runner", "token", "--label", "room"), 2, "no name=value"),
    ],
)
async def test_a_mistake_is_told_in_one_line_with_its_remedy(
    world: ApiWorld, typed: Typed, words: tuple[str, ...], code: int, told: str
) -> None:
    answer = await typed(*words)
    assert code == answer.code
    assert told in answer.err
    assert answer.err.startswith("botyard: ")
    assert b"" == answer.out
    assert len(answer.err.splitlines()) <= 2


async def test_a_hub_that_is_not_reached_is_seven(
    world: ApiWorld, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOTYARD_URL", "http://127.0.0.1:9")
    assert 7 == (await typed("task", "list")).code
