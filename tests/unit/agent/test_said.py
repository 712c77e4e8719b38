"""The one fact of what a bot said: masked, bounded, absent where there is nothing (`bot-packages.md` §7)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.said import Spoken, fitting, json_size, said_fact
from agent.wire.codec import decode_to_hub, encode
from agent.wire.facts import Annotation, Fact, make_fact
from agent.wire.limits import FRAME_MAX_BYTES, OUTPUTS_MAX_BYTES, SUMMARY_JSON_MAX_BYTES, SUMMARY_MAX_BYTES
from agent.wire.words import AnnotationLevel
from tests.support.session import AT

EXECUTION = "exe_" + "1" * 32
WARNING = Annotation(level=AnnotationLevel.WARNING, title="t", text="x")


def mask(text: str) -> str:
    """Take the one secret out."""
    return text.replace("s3cret", "***")


@pytest.mark.parametrize("spoken", [Spoken(), Spoken(summary=" \n")])
def test_who_said_nothing_makes_no_fact(spoken: Spoken) -> None:
    """`core.md` §3: facts are synced; a task that says nothing pays for none."""
    assert said_fact(spoken, AT, mask) is None


def test_everything_is_masked() -> None:
    """`core.md` §3: texts are masked before the spool."""
    spoken = Spoken(
        outputs={"a s3cret": "b s3cret"},
        summary="c s3cret",
        annotations=(Annotation(level=AnnotationLevel.ERROR, title="d s3cret", text="e s3cret"),),
        counts={AnnotationLevel.ERROR: 70},
        faults=(Annotation(level=AnnotationLevel.WARNING, text="f s3cret"),),
    )
    said = said_fact(spoken, AT, mask)

    assert said is not None
    assert "s3cret" not in said.model_dump_json()
    assert {"a ***": "b ***"} == said.outputs
    # what the runner has to say comes first, and is counted
    assert ["f ***", "e ***"] == [one.text for one in said.annotations]
    assert (70, 1, 0) == (said.counts.error, said.counts.warning, said.counts.notice)


def test_a_long_summary_is_cut_after_it_was_masked_and_says_so() -> None:
    """Cut first, and half a secret would stand at the edge."""
    text = "ä" * (SUMMARY_MAX_BYTES // 2 - 2) + "s3cret" + "x" * 100
    said = said_fact(Spoken(summary=text), AT, mask)

    assert said is not None
    assert said.summary_cut
    assert len(said.summary.encode()) <= SUMMARY_MAX_BYTES
    assert said.summary.endswith("***x")


def test_a_summary_whose_file_goes_on_is_a_cut_one() -> None:
    """The flag is of the whole file."""
    said = said_fact(Spoken(summary="x", summary_cut=True), AT, mask)
    assert said is not None
    assert said.summary_cut


def test_outputs_that_do_not_fit_are_named() -> None:
    """G5: nothing is left out in silence; a smaller one behind a large one still fits."""
    kept, left_out = fitting({"a": "1", "b": "x" * OUTPUTS_MAX_BYTES, "c": "3", "d": "y" * OUTPUTS_MAX_BYTES})
    assert {"a": "1", "c": "3"} == kept
    assert left_out is not None
    assert f"all outputs are larger than {OUTPUTS_MAX_BYTES} bytes: 'b' and 1 more left out" == left_out.text


@pytest.mark.parametrize("character", ["x", '"', "\x01", "\n", "ä", "\U0001f916"])
def test_the_largest_of_all_fits_a_frame(character: str) -> None:
    """P8: a frame takes 1 MiB as bytes, whatever JSON makes of the characters."""
    many = character * SUMMARY_MAX_BYTES
    spoken = Spoken(
        outputs={f"{number}": character * 5000 for number in range(200)},
        summary=many,
        annotations=(Annotation(level=AnnotationLevel.ERROR, title=many, text=many),) * 60,
        faults=(WARNING,),
    )
    said = said_fact(spoken, AT, mask)
    assert said is not None
    assert json_size(said.summary) <= SUMMARY_JSON_MAX_BYTES

    fact = make_fact(EXECUTION, 1, 2, said)

    assert len(encode(fact).encode()) <= FRAME_MAX_BYTES
    assert decode_to_hub(encode(fact)) == fact


@given(st.dictionaries(st.text(max_size=10), st.text(max_size=50), max_size=5), st.text(max_size=100))
def test_the_checksum_holds_over_the_wire(outputs: dict[str, str], summary: str) -> None:
    """P3: whatever a bot writes, the hub reads the fact that was spooled."""
    said = said_fact(Spoken(outputs=outputs, summary=summary, annotations=(WARNING,)), AT, mask)
    assert said is not None
    read = decode_to_hub(encode(make_fact(EXECUTION, 1, 2, said)))
    assert isinstance(read, Fact)
    assert read.is_intact()
