"""What `botyard runner drain --wait` shows, and when it ends."""

import io

import pytest

from hub.cli.draining import _is_over
from hub.cli.failing import Failure
from hub.cli.progress import Progress


def runner(*numbers: int, draining: bool = True) -> dict[str, object]:
    busy = [{"number": number, "automation": "invoices"} for number in numbers]
    return {"name": "vm1", "draining": draining, "busy": busy}


def test_it_names_what_still_runs_and_ends_with_the_last() -> None:
    progress = Progress(stream=(out := io.StringIO()))
    assert not _is_over(runner(1, 2, 3, 4), 4, progress)
    assert not _is_over(runner(4), 4, progress)
    assert _is_over(runner(), 4, progress)
    assert [
        "draining vm1  0%  4 still run: 1 (invoices), 2 (invoices), 3 (invoices) and 1 more",
        "draining vm1  75%  1 still run: 4 (invoices)",
        "draining vm1  100%  nothing runs any more",
    ] == out.getvalue().splitlines()


def test_it_does_not_wait_for_a_runner_that_was_given_work_again() -> None:
    with pytest.raises(Failure, match="was given work again"):
        _is_over(runner(1, draining=False), 1, Progress(stream=io.StringIO()))
