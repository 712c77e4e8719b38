"""A campaign ends in a report and an exit code that say the same (T8)."""

import json
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.history.checker import check
from tests.history.events import Left
from tests.reliability import __main__ as command
from tests.reliability.part import Options, PartResult, Times
from tests.reliability.parts import PARTS, Named
from tests.reliability.report import Report, markdown, plain, summary, verdict


def part(**more: object) -> PartResult:
    result = PartResult(name="kills", promise="R1: nothing is lost | nothing twice")
    for name, value in more.items():
        setattr(result, name, value)
    return result


def report(*parts: PartResult, **more: object) -> Report:
    return Report(seed=7, parts=parts, table={"R1": ["t::one"], "R2": []}, took_s=90, **more)  # type: ignore[arg-type]


GOOD = part(tried=Counter({"kills": 2}), times=[Times(what="back", samples=[1.0, 2.0, 9.0], limit_s=10)])


def test_a_good_part_is_told_with_figures() -> None:
    """T8: promises, what was tried, times with median, p99 and longest, and the table with its holes."""
    text = markdown(report(GOOD))

    assert "all promises kept" in text.splitlines()[0]
    assert "| kills: good | R1: nothing is lost \\| nothing twice | 2 kills |" in text
    assert "| kills | back | 3 | 2.00 s | 9.00 s | 9.00 s | 10 s |" in text
    assert "## Requirements: 2, 1 without a test" in text
    told = json.loads(plain(report(GOOD)))
    assert (True, 7, {"R1": ["t::one"], "R2": []}) == (told["good"], told["seed"], told["requirements"])
    assert 9.0 == told["parts"][0]["times"][0]["max_s"]


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (part(), "## Failures: 0"),
        (part(tried=Counter(a=1), times=[Times(what="back", samples=[11.0], limit_s=10)]), "10 s EXCEEDED"),
    ],
    ids=["nothing was tried", "too slow"],
)
def test_what_is_not_good_is_not_called_so(bad: PartResult, said: str) -> None:
    """T8: a part that tried nothing proves nothing; a time over its limit is a broken promise."""
    assert ("FAILED", False) == (verdict(bad), report(bad).is_good)
    assert said in markdown(report(bad))
    assert "NOT all promises kept" in markdown(report(bad)).splitlines()[0]


def test_violations_and_skips_are_told() -> None:
    """T2, T8: a violation stands in the report with its rule and ids; skips are counted with their reason."""
    broken = part(tried=Counter(a=1))
    broken.take("seed 3", check([Left(at=1, what="process 7")]))
    skipped = part()
    skipped.skip("power cuts", "no loop device")
    text = markdown(report(broken, skipped))

    assert "**kills, seed 3**" in text
    assert "C11 process 7: left behind" in text
    assert {"C11": 1} == dict(broken.judged)
    assert "## Skipped: 1" in text
    assert "- kills: power cuts: no loop device" in text
    assert "skipped" == verdict(skipped)
    assert "1 skipped" in summary(skipped)


def test_what_broke_off_is_told_one_by_one(tmp_path: Path) -> None:
    """T8: errors of several loops at once are failures of their own, with the place of their logs."""
    broken = part()
    broken.broke_off(
        "seed 1", ExceptionGroup("a", [ExceptionGroup("b", [OSError("one")]), TimeoutError("two")]), tmp_path
    )

    assert ["OSError: one", "TimeoutError: two"] == [failure.what.partition(" (see")[0] for failure in broken.failures]


def test_a_part_that_has_no_time_left_is_not_called_good() -> None:
    """T8: `--minutes` ends a campaign; what was not begun is told, and the exit code says so."""
    cut = report(GOOD, not_begun=["sweep"])

    assert not cut.is_good
    assert "| sweep: not begun |" in markdown(cut)


def test_the_command_runs_writes_and_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """T8: exit code 1 with failures, both forms of the report, and the folder with what failed."""
    asked: list[Options] = []

    def fail(options: Options) -> PartResult:
        asked.append(options)
        raise RuntimeError("no such hub")

    def succeed(options: Options) -> PartResult:
        asked.append(options)
        return GOOD

    parts = [Named(name="one", about="first", module="x"), Named(name="two", about="second", module="y")]
    monkeypatch.setattr(command, "PARTS", parts)
    monkeypatch.setattr(Named, "load", lambda named: fail if named.name == "one" else succeed)
    files = [tmp_path / "report.json", tmp_path / "report.md"]

    began = time.monotonic()
    words = ["--seeds", "3", "--seed", "5", "--minutes", "10", "--folder", str(tmp_path / "kept")]
    code = command.main([*words, "--json", str(files[0]), "--report", str(files[1])])

    assert 1 == code
    assert [(3, 5), (3, 5)] == [(each.tries, each.seed) for each in asked]
    assert began < asked[0].deadline < began + 400
    assert "RuntimeError: no such hub" in files[1].read_text()
    assert ["FAILED", "good"] == [each["verdict"] for each in json.loads(files[0].read_text())["parts"]]
    assert "begin  two: second" in capsys.readouterr().out
    assert 0 == command.main(["--only", "two", "--folder", str(tmp_path / "kept")])


@pytest.mark.parametrize("words", [["--seeds", "0"], ["--minutes", "soon"], ["--only", "moths"], ["--minutes", "nan"]])
def test_a_wrong_word_is_told_in_a_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(words)

    assert 2 == ended.value.code
    assert words[0] in capsys.readouterr().err


def test_every_part_can_be_loaded() -> None:
    """A part that is named is there: its module imports, its function is one."""
    assert len(PARTS) == len({named.name for named in PARTS})
    assert all(callable(named.load()) for named in PARTS)
