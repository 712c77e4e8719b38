"""What a bot left said at its end: result, outputs, summary, its lines (`bot-packages.md` §7).

Read once, in every case: after a kill, a lost supervisor or a restart of this daemon the same files are there. A file
that is broken costs no task anything: what can be read of it counts, and an annotation names the file and the line.
"""

import asyncio
import logging
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from agent.bot_files import open_inside
from agent.daemon.last_fact import last_fact_at_once
from agent.daemon.posted import POSTED_MAX_BYTES, POSTED_NAME, read_posted
from agent.execution_events import Reported, ShimStopped, Spoken
from agent.masking import Masker
from agent.output_file import OUTPUT_FILE_MAX_BYTES, decoded, read_outputs
from agent.result_file import RESULT_MAX_BYTES, read_result
from agent.said import OUTPUT_TITLE, said_fact
from agent.said import Spoken as Words
from agent.shim.exit_file import ExitRecord
from agent.wire.facts import Annotation, FinalFact, ReportFact, SaidFact
from agent.wire.words import AnnotationLevel

if TYPE_CHECKING:
    from agent.daemon.keeper import Keeper

log = logging.getLogger(__name__)
OUTPUTS_NAME = "outputs"
SUMMARY_NAME = "summary.md"
"""Beside the result file (`agent/builds/bot_environment.py`)."""
SUMMARY_READ_MAX_BYTES = 1024 * 1024
RESULT_TITLE = "BOTYARD_RESULT"
SUMMARY_TITLE = "BOTYARD_SUMMARY"


def tell_stop(keeper: "Keeper", record: ExitRecord | None) -> None:
    """A stop that the shim made while no daemon lived stands in its exit file: a fact before the exit (core.md §3)."""
    if record is not None and record.cause is not None and keeper.value.stop is None:
        keeper.post(ShimStopped(cause=record.cause, by=record.by, at=keeper.house.clock.now()))


async def tell_last_words(
    keeper: "Keeper", record: ExitRecord | None, *, and_last_fact: bool = False
) -> FinalFact | None:
    """What the bot said, once, before its exit is told. Says that the end is told from here on.

    Returns the last fact, if it is asked for, where nothing has to be brought to the hub before it.
    """
    if keeper.end_told:
        return None
    keeper.end_told = True
    keeper.house.upstream.progress_ended(keeper.execution_id)
    (report, said), final = await asyncio.to_thread(
        # One hop for both: each costs as much as what is done in it.
        lambda: _read_with_last_fact(keeper, record) if and_last_fact else (_read(keeper, record), None)
    )
    known = keeper.value.report
    if report is not None and (known is None or report.model_copy(update={"at": known.at}) != known):
        keeper.post(Reported(report=report, from_file=True))
    if said is not None:
        keeper.post(Spoken(said=said))
    return final


def _read_with_last_fact(
    keeper: "Keeper", record: ExitRecord | None
) -> tuple[tuple[ReportFact | None, SaidFact | None], FinalFact | None]:
    found = _read(keeper, record)
    return found, last_fact_at_once(keeper, record, found[0])


def _read(keeper: "Keeper", record: ExitRecord | None) -> tuple[ReportFact | None, SaidFact | None]:
    """Everything in one go. Blocks."""
    faults: list[Annotation] = []
    if keeper.order.result is None:
        report, outputs, summary, is_cut = None, {}, "", False
    else:
        result = Path(keeper.order.result)
        report = _result(keeper, result, faults)
        outputs = _outputs(keeper, result.with_name(OUTPUTS_NAME), faults)
        summary, is_cut = _summary(keeper, result.with_name(SUMMARY_NAME), faults)
    words = Words(
        outputs=outputs,
        summary=summary,
        summary_cut=is_cut,
        annotations=_annotations(record),
        counts={AnnotationLevel(level): count for level, count in (record.annotation_counts if record else {}).items()},
        faults=tuple(faults),
    )
    return report, said_fact(words, keeper.house.clock.now(), keeper.mask)


def _result(keeper: "Keeper", path: Path, faults: list[Annotation]) -> ReportFact | None:
    data = _content(keeper, path, RESULT_MAX_BYTES, faults, RESULT_TITLE)
    try:
        if len(data) > RESULT_MAX_BYTES:
            raise ValueError(f"it is larger than {RESULT_MAX_BYTES} bytes")  # noqa: TRY301 - one place for what is wrong
        return read_result(data, keeper.house.clock.now(), keeper.mask)
    except ValueError as error:
        faults.append(_fault(keeper, RESULT_TITLE, f"the result file was not read: {error}"))
        return None


def _outputs(keeper: "Keeper", path: Path, faults: list[Annotation]) -> dict[str, str]:
    """The file's outputs, and over them those of the gateway."""
    read = read_outputs(_content(keeper, path, OUTPUT_FILE_MAX_BYTES, faults, OUTPUT_TITLE))
    if read.faults:
        first = read.faults[0]
        where = f"{path.name}, line {first.line}" if first.line else path.name
        more = f" (and {len(read.faults) - 1} more)" if len(read.faults) > 1 else ""
        faults.append(_fault(keeper, OUTPUT_TITLE, f"{where}: {first.why}{more}"))
    posted = _content(keeper, keeper.folder / POSTED_NAME, POSTED_MAX_BYTES, faults, OUTPUT_TITLE)
    return read.values | read_posted(posted)


def _summary(keeper: "Keeper", path: Path, faults: list[Annotation]) -> tuple[str, bool]:
    data = _content(keeper, path, SUMMARY_READ_MAX_BYTES, faults, SUMMARY_TITLE)
    if len(data) <= SUMMARY_READ_MAX_BYTES:
        return decoded(data), False
    # Not ended: what may be the beginning of a secret that was cut here is held back, and goes.
    return decoded(Masker(keeper.masks).feed(data[:SUMMARY_READ_MAX_BYTES])), True


def _annotations(record: ExitRecord | None) -> tuple[Annotation, ...]:
    found = record.annotations if record else ()
    return tuple(Annotation(level=AnnotationLevel(one.level), title=one.title, text=one.text) for one in found)


def _content(keeper: "Keeper", path: Path, limit: int, faults: list[Annotation], title: str) -> bytes:
    """A file's first bytes, one more than `limit` where it is longer; none where there is nothing in it."""
    try:
        found = path.lstat()
        if stat.S_ISREG(found.st_mode) and found.st_size == 0:
            return b""  # As it was made: most bots say nothing here.
        with open_inside(keeper.folder, path) as file:
            return file.read(limit + 1)
    except FileNotFoundError:
        return b""
    except OSError as error:
        faults.append(_fault(keeper, title, f"{path.name} was not read: {error.strerror or error}"))
        return b""


def _fault(keeper: "Keeper", title: str, text: str) -> Annotation:
    log.warning("%s: %s", keeper.execution_id, keeper.mask(text))
    return Annotation(level=AnnotationLevel.WARNING, title=title, text=text)
