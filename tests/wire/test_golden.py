"""Frames as they were sent once must decode for ever (P13; `agent/wire/README.md` §5).

The files in ``v1/`` are never changed: a new meaning is a new protocol version and a new folder. What is added to a
message
later has a default, which these old files prove.
"""

import json
from pathlib import Path
from typing import Any, get_args

import pytest

from agent.wire.codec import OutputFrame, Stream, decode_output, decode_to_hub, decode_to_runner, encode_output
from agent.wire.enrolment import Enrolled, EnrolmentRequest
from agent.wire.facts import Fact, FactBody
from agent.wire.messages import Hello, ToHub, ToRunner

GOLDEN = Path(__file__).parent / "v1"
TO_RUNNER = {model.model_fields["type"].default for model in get_args(get_args(ToRunner)[0])}
TO_HUB = {model.model_fields["type"].default for model in get_args(get_args(ToHub)[0])}
FACTS = {model.model_fields["kind"].default for model in get_args(get_args(FactBody)[0])}


def golden(name: str) -> dict[str, Any]:
    """A frame as it was sent."""
    found: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text())
    return found


def test_every_message_type_has_a_golden_frame() -> None:
    """Who adds a message adds its frame."""
    expected = TO_RUNNER | (TO_HUB - {"fact"}) | {"hello"} | {f"fact-{kind}" for kind in FACTS}
    expected |= {"enrolment-request", "enrolment-answer"}
    assert {path.stem for path in GOLDEN.glob("*.json")} == expected


@pytest.mark.parametrize("name", sorted(TO_RUNNER))
def test_what_a_hub_sent_decodes_to_what_it_says(name: str) -> None:
    """A runner of today understands a hub of then; what it does not know it ignores."""
    frame = golden(name)
    message = decode_to_runner(json.dumps(frame | {"from_the_future": 1}))
    assert_says(frame, message.model_dump(mode="json"))


@pytest.mark.parametrize("name", sorted(TO_HUB - {"fact"}) + [f"fact-{kind}" for kind in sorted(FACTS)])
def test_what_a_runner_sent_decodes_to_what_it_says(name: str) -> None:
    """A hub of today understands a runner of then."""
    frame = golden(name)
    message = decode_to_hub(json.dumps(frame | {"from_the_future": 1}))
    assert_says(frame, message.model_dump(mode="json"))
    if isinstance(message, Fact):
        assert message.is_intact()


@pytest.mark.parametrize(
    ("name", "model"),
    [("hello", Hello), ("enrolment-request", EnrolmentRequest), ("enrolment-answer", Enrolled)],
)
def test_what_opens_a_connection_decodes_to_what_it_says(name: str, model: Any) -> None:
    """The first frames of all have no version that was agreed upon yet."""
    frame = golden(name)
    assert_says(frame, model.model_validate(frame | {"from_the_future": 1}).model_dump(mode="json"))


def test_an_output_frame_decodes_to_its_pieces() -> None:
    """Binary, big-endian, by offset."""
    # given
    raw = bytes.fromhex("".join((GOLDEN / "output.hex").read_text().split()))

    # when
    frame: OutputFrame = decode_output(raw)

    # then
    assert (frame.start, frame.size) == (65536, 13)
    assert [(chunk.stream, chunk.data) for chunk in frame.chunks] == [
        (Stream.STDOUT, b"hello \xff\n"),
        (Stream.STDERR, b"oops\n"),
    ]
    assert encode_output(frame.execution_id, frame.start, frame.chunks) == raw


def assert_says(frame: Any, decoded: Any) -> None:
    """Everything that the frame said is still there; new members may stand beside it."""
    if isinstance(frame, dict):
        assert isinstance(decoded, dict)
        for name, value in frame.items():
            assert name in decoded, name
            assert_says(value, decoded[name])
    elif isinstance(frame, list):
        assert isinstance(decoded, list)
        assert len(frame) == len(decoded)
        for one, other in zip(frame, decoded, strict=True):
            assert_says(one, other)
    else:
        assert frame == decoded
