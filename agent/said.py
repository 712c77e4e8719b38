"""The one fact of what a bot said beside its report, made of its files and of its lines (`bot-packages.md` §7). Pure.

Masked first and cut afterwards, so that no half of a secret stays at an edge. Each part has a bound of its own; all of
them together fit a frame.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from agent.output_file import shown
from agent.wire.facts import Annotation, AnnotationCounts, SaidFact
from agent.wire.limits import (
    ANNOTATIONS_MAX,
    ANNOTATIONS_MAX_BYTES,
    OUTPUTS_MAX_BYTES,
    SUMMARY_JSON_MAX_BYTES,
    SUMMARY_MAX_BYTES,
)
from agent.wire.words import AnnotationLevel

ANNOTATION_TEXT_MAX = 4000
ANNOTATION_TITLE_MAX = 200
OUTPUT_TITLE = "BOTYARD_OUTPUT"

Mask = Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """Everything that was said, as it was said."""

    outputs: Mapping[str, str] = field(default_factory=dict)
    summary: str = ""
    summary_cut: bool = False
    """The file goes on behind `summary`."""
    annotations: tuple[Annotation, ...] = ()
    """Of the bot's lines; those that are kept."""
    counts: Mapping[AnnotationLevel, int] = field(default_factory=dict)
    """Of the bot's lines; all of them."""
    faults: tuple[Annotation, ...] = ()
    """What the runner has to say of the bot's files."""


def said_fact(spoken: Spoken, at: datetime, mask: Mask) -> SaidFact | None:
    """The fact; None where nothing was said."""
    is_silent = not (spoken.outputs or spoken.summary.strip() or spoken.annotations or spoken.faults)
    if is_silent and not any(spoken.counts.values()):
        return None  # Masking, too, costs something the first time.
    outputs, left_out = fitting({mask(name): mask(value) for name, value in spoken.outputs.items()})
    faults = (*spoken.faults, *([left_out] if left_out else []))
    summary, is_cut = _cut(mask(spoken.summary)) if spoken.summary else ("", False)
    annotations = _bounded(_masked(one, mask) for one in (*faults, *spoken.annotations))
    return SaidFact(
        at=at,
        outputs=outputs,
        summary=summary,
        summary_cut=is_cut or spoken.summary_cut,
        annotations=annotations,
        counts=_counts(spoken.counts, faults),
    )


def fitting(outputs: Mapping[str, str]) -> tuple[dict[str, str], Annotation | None]:
    """The outputs that fit `OUTPUTS_MAX_BYTES`, and what to say of the others."""
    kept: dict[str, str] = {}
    left_out: list[str] = []
    room = OUTPUTS_MAX_BYTES
    for name, value in outputs.items():
        size = json_size(name) + json_size(value) + 2
        if size > room:
            left_out.append(name)
        else:
            kept[name] = value
            room -= size
    if not left_out:
        return kept, None
    more = f" and {len(left_out) - 1} more" if len(left_out) > 1 else ""
    text = f"all outputs are larger than {OUTPUTS_MAX_BYTES} bytes: {shown(left_out[0])}{more} left out"
    return kept, Annotation(level=AnnotationLevel.WARNING, title=OUTPUT_TITLE, text=text)


def json_size(text: str) -> int:
    """Bytes of a text as JSON on the wire."""
    return len(json.dumps(text, ensure_ascii=False).encode("utf-8", "replace"))


def _cut(summary: str) -> tuple[str, bool]:
    data = summary.encode("utf-8", "replace")
    is_cut = len(data) > SUMMARY_MAX_BYTES
    text = data[:SUMMARY_MAX_BYTES].decode(errors="ignore")
    while (size := json_size(text)) > SUMMARY_JSON_MAX_BYTES:
        text, is_cut = text[: len(text) * SUMMARY_JSON_MAX_BYTES // size], True
    return text, is_cut


def _masked(one: Annotation, mask: Mask) -> Annotation:
    title, text = mask(one.title)[:ANNOTATION_TITLE_MAX], mask(one.text)[:ANNOTATION_TEXT_MAX]
    return Annotation(level=one.level, title=title, text=text)


def _bounded(annotations: Iterable[Annotation]) -> tuple[Annotation, ...]:
    kept: list[Annotation] = []
    room = ANNOTATIONS_MAX_BYTES
    for one in annotations:
        room -= len(one.model_dump_json().encode("utf-8", "replace")) + 1
        if room < 0 or len(kept) == ANNOTATIONS_MAX:
            break
        kept.append(one)
    return tuple(kept)


def _counts(lines: Mapping[AnnotationLevel, int], faults: Iterable[Annotation]) -> AnnotationCounts:
    counts = {level: lines.get(level, 0) for level in AnnotationLevel}
    for one in faults:
        counts[one.level] += 1
    return AnnotationCounts.model_validate(counts)
