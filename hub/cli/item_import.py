"""`botyard item import`: thousands of items from CSV or JSON lines, all or nothing, seen at once.

The file is read twice: whole before anything is sent, so that every broken line is told with its number, then slice by
slice into a batch that nobody sees. The last call makes it visible. A slice that had to be sent twice is added once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from hub.cli import show
from hub.cli.client import Client, segment
from hub.cli.connected import connected
from hub.cli.failing import Exit, Failure, Refusal
from hub.cli.item_file import Faults, Form, Line, items, opened
from hub.cli.progress import Progress

EXAMPLES = """
Examples:

  botyard item import invoices march.csv --reference number

  cat march.jsonl | botyard item import invoices -
"""
_SLICE = 2000
_SLICE_BYTES = 700 * 1024
_FAULTS_SHOWN = 20
_ENOUGH = 1000
"""Of a file that is added whole or not at all, nobody needs more faults at once."""
_KINDS = {".csv": "csv", ".tsv": "csv", ".tab": "csv"}


@dataclass(slots=True)
class _Import:
    """One file on its way into a queue."""

    client: Client
    queue: str
    form: Form
    each: bool
    progress: Progress = field(default_factory=Progress)
    added: int = 0

    def count(self, source: IO[bytes], faults: Faults) -> int:
        """How many items the file has, and what is wrong with it, before anything is sent."""
        number = 0
        for number, _ in enumerate(items(source, self.form, faults), start=1):
            if number % 10_000 == 0:
                self.progress.set("reading", None, f"{number} items")
        self.progress.end()
        return number

    def send(self, source: IO[bytes], whole: int) -> Faults:
        """Send everything as one batch; what was refused. Nothing of it stays when it fails."""
        faults = Faults()
        batch = self.client.post(f"/queues/{segment(self.queue)}/batches")["id"]
        try:
            self._fill(batch, source, whole, faults)
            self.progress.end()
            if faults.count and not self.each:
                self.client.delete(f"/batches/{batch}")
            else:
                self.client.post(f"/batches/{batch}/show")
        except BaseException as error:
            told = self._given_up(batch)
            if told and isinstance(error, Failure):
                error.details = (*error.details, told)
            raise
        return faults

    def drop(self, batch: str) -> None:
        """Remove what an import has left that was cut off; that it is gone already is no error."""
        try:
            self.client.delete(f"/batches/{segment(batch)}")
        except Refusal as refused:
            if refused.problem_code != "no_batch":
                raise

    def _given_up(self, batch: str) -> str:
        """Take everything back; what is to be said where that can't be."""
        try:
            self.drop(batch)
        except Refusal as refused:
            return (
                f"the hub has them all the same: {refused.message}" if refused.problem_code == "batch_visible" else ""
            )
        except Failure:
            return f"what was sent goes within the hour; at once with: botyard item import … --drop {batch}"
        return ""

    def _fill(self, batch: str, source: IO[bytes], whole: int, faults: Faults) -> None:
        start = 0
        for part in _slices(items(source, self.form, faults)):
            # Each item stands for itself here, so that one bad line does not hide the others.
            body: dict[str, Any] = {"items": [line.item for line in part], "each": True, "start": start}
            done = self.client.post(
                f"/batches/{batch}/items", {**body, "place": "line", "numbers": [line.number for line in part]}
            )
            start += len(part)
            self.added += done["added"]
            for one in done["refused"]:
                faults.add(_sentence(one))
            self.progress.set(self.queue, start / max(whole, start), f"{start} of {whole} items")
            if faults.count >= _ENOUGH and not self.each:
                return


def import_(
    queue: Annotated[str, typer.Argument(help="Label of the queue.")],
    file: Annotated[str, typer.Argument(help="CSV with a head line, or JSON lines; - is standard input.")],
    form: Annotated[
        str | None, typer.Option("--format", metavar="csv|jsonl", help="By the file's name if not given.")
    ] = None,
    reference: Annotated[str | None, typer.Option(help="Field or column whose value is the item's reference.")] = None,
    delimiter: Annotated[
        str | None, typer.Option(help="Between the cells of a CSV line; a comma, and in a .tsv file a tabulator.")
    ] = None,
    each: Annotated[bool, typer.Option("--each", help="Add the lines that can be; without it all or none.")] = False,
    drop: Annotated[
        str | None, typer.Option(metavar="BATCH", help="First remove what an import has left that was cut off.")
    ] = None,
    json_: show.Json = False,
) -> None:
    """Add the items of a file. Ends with 3 when some were added and others not, with 1 when none could be."""
    client = connected()
    how = Form(
        kind=_kind(file, form), delimiter=_delimiter(file, delimiter), types=_types(client, queue), reference=reference
    )
    work = _Import(client=client, queue=queue, form=how, each=each)
    faults = Faults()
    with opened(file) as source:
        whole = work.count(source, faults)
        if faults.count and not each:
            raise Failure(
                f"{show.many(faults.count, 'broken line')} in {file}; nothing was added.", Exit.FAILED, _few(faults)
            )
        if drop is not None:
            work.drop(drop)
        if whole:
            # What the first reading found the second one finds again.
            faults = work.send(source, whole)
    if faults.count and not each:
        many = f"{faults.count} lines or more" if faults.count >= _ENOUGH else show.many(faults.count, "line")
        raise Failure(f"{many} of {file} can't be taken; nothing was added.", Exit.FAILED, _few(faults))
    _tell(work.added, faults, json_=json_)


def _tell(added: int, faults: Faults, *, json_: bool) -> None:
    if json_:
        show.as_json({"added": added, "refused": faults.first, "refused_count": faults.count})
    else:
        typer.echo(f"{show.many(added, 'item')} added" + (f", {faults.count} not" if faults.count else ""))
        for one in _few(faults):
            typer.echo(f"  {one}", err=True)
    if faults.count:
        raise typer.Exit(Exit.PARTIAL if added else Exit.FAILED)


def _slices(lines: Iterator[Line]) -> Iterator[list[Line]]:
    """Lines in their order, so many that a call takes them."""
    part: list[Line] = []
    size = 0
    for line in lines:
        if part and (len(part) == _SLICE or size + line.size > _SLICE_BYTES):
            yield part
            part, size = [], 0
        part.append(line)
        size += line.size + 10  # its number, and what stands between
    if part:
        yield part


def _kind(file: str, said: str | None) -> str:
    kind = said or _KINDS.get(Path(file).suffix.lower(), "jsonl")
    if kind not in {"csv", "jsonl"}:
        raise Failure(f"--format {kind!r} is neither csv nor jsonl.", Exit.USAGE)
    return kind


def _delimiter(file: str, said: str | None) -> str:
    """What stands between cells. Raises Failure for what can't."""
    if said is None:
        return "\t" if Path(file).suffix.lower() in {".tsv", ".tab"} else ","
    found = "\t" if said == "\\t" else said
    if len(found) != 1 or found in '"\r\n':
        raise Failure(f"--delimiter {said!r} is not one character; a tabulator is \\t.", Exit.USAGE)
    return found


def _types(client: Client, queue: str) -> dict[str, str]:
    return {one["name"]: one["type"] for one in client.get(f"/queues/{segment(queue)}")["fields"]}


def _sentence(refused: dict[str, Any]) -> str:
    """A line that the hub refused, with its faults."""
    place = refused["place"]
    told = (
        f"{one['field'].removeprefix(place).lstrip('.')}: {one['message']} ({one['remedy']})"
        for one in refused["errors"]
    )
    return f"{place}: " + "; ".join(one.removeprefix(": ") for one in told)


def _few(faults: Faults) -> Sequence[str]:
    more = faults.count - _FAULTS_SHOWN
    return [*faults.first[:_FAULTS_SHOWN], *([f"and {more} more"] if more > 0 else [])]
