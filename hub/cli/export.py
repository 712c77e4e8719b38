"""`botyard export`: what a workspace has, as the documents that `botyard apply` takes."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.cli import show
from hub.cli.connected import connected
from hub.cli.failing import Exit, Failure
from hub.domain.documents.plan import DocumentKind
from hub.domain.documents.yaml_writing import written

app = typer.Typer(add_completion=False)

EXAMPLES = """
Examples:

  botyard export -o team/

  botyard export --kind queue --kind trigger

  botyard export orders > orders.yaml

Secrets are not exported: apply keeps the values of secret parameters that are there, and asks
for those of a new trigger; `botyard trigger secret` makes a webhook's.
"""


@app.command(epilog=EXAMPLES)
def export(
    label: Annotated[list[str] | None, typer.Argument(help="Labels of what to export; all if none is named.")] = None,
    kind: Annotated[list[DocumentKind] | None, typer.Option(help="Only of this kind; may be said again.")] = None,
    output: Annotated[str, typer.Option("--output", "-o", help="Folder, a file for each kind; - for stdout.")] = "-",
    json_: show.Json = False,
) -> None:
    """Print automations, queues, triggers, calendars and resources as YAML; defaults are left out."""
    if label and output != "-":
        told = "a file holds all of its kind: leave out the labels, or print them (botyard export LABEL > FILE)."
        raise Failure(told, Exit.USAGE)
    found = [
        one
        for one in connected().all("/export", {"limit": 500})
        if (not kind or one["kind"] in kind) and (not label or one["label"] in label)
    ]
    missing = sorted({*(label or ())} - {one["label"] for one in found})
    if missing:
        raise Failure(f"there is nothing with the label {', '.join(missing)} here.", Exit.USAGE)
    if json_:
        show.as_json({"items": found})
    elif output == "-":
        sys.stdout.write(written(found))
    else:
        _write(Path(output), found)


def _write(folder: Path, found: Sequence[Mapping[str, Any]]) -> None:
    """One file a kind; what stands there under that name is replaced, other files stay."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind in DocumentKind:
        documents = [one for one in found if one["kind"] == kind]
        if documents:
            file = folder / f"{kind}s.yaml"
            file.write_text(written(documents), encoding="utf-8", newline="\n")
            show.note(f"{file}: {len(documents)}")
