"""The result file of a bot without an SDK (`bot-packages.md` §7)."""

import json

import pytest

from agent.result_file import read_result
from agent.wire.facts import ReportFact
from agent.wire.limits import MESSAGE_TEXT_MAX
from agent.wire.task import Totals
from agent.wire.words import ReportStatus
from tests.support.session import AT


def read(body: object) -> ReportFact | None:
    """The report in this JSON."""
    return read_result(json.dumps(body).encode(), AT, lambda text: text.replace("s3cret", "***"))


def test_all_that_may_be_said() -> None:
    """Status, message, totals."""
    body = {"status": "partial", "message": "s3cret", "totals": {"total": 40, "processed": 38, "failed": 2}, "x": 1}
    totals = Totals(total=40, processed=38, failed=2)
    assert read(body) == ReportFact(at=AT, status=ReportStatus.PARTIAL, message="***", totals=totals)


@pytest.mark.parametrize("body", [{}, {"message": "only words"}, {"status": None}])
def test_without_a_status_there_is_no_report(body: object) -> None:
    """Every key is optional."""
    assert read(body) is None
    assert read_result(b" \n", AT, str) is None


def test_an_error_is_the_message_where_there_is_none() -> None:
    """`error.message`."""
    report = read({"status": "failed", "error": {"type": "business", "message": "no paper"}})
    assert report is not None
    assert report.message == "no paper"


@pytest.mark.parametrize(
    ("said", "totals"),
    [
        ({"processed": 3, "failed": 1}, Totals(total=4, processed=3, failed=1)),
        ({"total": 5, "failed": 1}, Totals(total=5, processed=4, failed=1)),
        ({"total": 5, "processed": 4}, Totals(total=5, processed=4, failed=1)),
        ({"total": 5}, None),
        ({"total": 2, "processed": -3, "failed": 0}, Totals(total=2, processed=0, failed=0)),
    ],
)
def test_a_missing_number_is_worked_out(said: dict[str, int], totals: Totals | None) -> None:
    """As the SDK does."""
    report = read({"status": "succeeded", "totals": said})
    assert report is not None
    assert report.totals == totals


def test_a_long_message_is_cut_never_refused() -> None:
    """`maestro.md` §3.2."""
    report = read({"status": "succeeded", "message": "x" * (MESSAGE_TEXT_MAX + 1)})
    assert report is not None
    assert report.message == "x" * MESSAGE_TEXT_MAX


@pytest.mark.parametrize(
    ("data", "why"),
    [(b"{", "not JSON"), (b"[]", "valid dictionary"), (b'{"status": "great"}', "status"), (b"\xff", "not JSON")],
)
def test_a_broken_file_is_told_in_one_sentence(data: bytes, why: str) -> None:
    """It is no report, and the log says why."""
    with pytest.raises(ValueError, match=why):
        read_result(data, AT, str)
