"""Whatever a peer, a disk or an older program left: decoders say what it means, or refuse it by their own error."""

import json
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import SetupError
from agent.spool import Spool
from agent.wire.codec import (
    Chunk,
    ProtocolError,
    Stream,
    decode_output,
    decode_to_hub,
    decode_to_runner,
    encode,
    encode_output,
)
from agent.wire.facts import Fact, FinalFact, StartedFact, make_fact
from agent.wire.limits import OUTPUT_DATA_MAX_BYTES
from agent.wire.messages import Welcome
from hub.storage.outputs.records import Record, RecordKind, pack, unpack_all
from tests.support.clock import START

GOLDEN = sorted((Path(__file__).parents[1] / "wire" / "v1").glob("*.json"))
EXECUTION = "exe_" + "1" * 32
CHUNKS = (Chunk(stream=Stream.STDOUT, time_ms=5, data=b"hello\n"), Chunk(stream=Stream.STDERR, time_ms=6, data=b"oh"))
FRAME = encode_output(EXECUTION, 7, CHUNKS)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


# --- frames ----------------------------------------------------------------------------------------------------------


@given(st.text() | st.builds(json.dumps, JSON))
def test_noise_is_no_message(text: str) -> None:
    """P2, S8: decoding is total; nothing but ProtocolError comes out of it."""
    for decode in (decode_to_hub, decode_to_runner):
        with suppress(ProtocolError):
            decode(text)


@given(st.sampled_from(GOLDEN), st.data())
def test_a_frame_with_a_member_changed_is_a_message_or_a_breach(path: Path, data: st.DataObject) -> None:
    """Of an unknown type, a member gone, a member of another kind, a member more (which is ignored, P13)."""
    frame = json.loads(path.read_text())
    name = data.draw(st.sampled_from(sorted(frame)))
    match data.draw(st.sampled_from(["gone", "other", "more", "deep"])):
        case "gone":
            del frame[name]
        case "other":
            frame[name] = data.draw(JSON)
        case "more":
            frame[data.draw(st.text(min_size=1, max_size=9))] = data.draw(JSON)
        case _:
            frame[name] = json.loads("[" * 200 + "]" * 200)
    for decode in (decode_to_hub, decode_to_runner):
        try:
            again = decode(json.dumps(frame))
        except ProtocolError:
            continue
        assert decode(again.model_dump_json()) == again


@given(st.binary(max_size=200))
def test_noise_is_no_output(noise: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_output(noise)


def test_a_torn_or_flipped_output_frame_is_refused_or_says_only_what_it_holds() -> None:
    """R28 on the wire: at every byte; a frame has no checksum of its own (TLS and TCP have), but never half a chunk."""
    for size in range(len(FRAME)):
        try:
            torn = decode_output(FRAME[:size])
        except ProtocolError:
            continue
        assert torn.chunks == CHUNKS[: len(torn.chunks)]
    for position in range(len(FRAME)):
        flipped = bytearray(FRAME)
        flipped[position] ^= 0x80
        try:
            frame = decode_output(bytes(flipped))
        except ProtocolError:
            continue
        assert sum(len(chunk.data) for chunk in frame.chunks) <= len(FRAME)


def test_oversized_frames_are_refused_on_both_sides() -> None:
    """S39, P9: data frames of at most 64 KiB, messages of at most 1 MiB."""
    large = Chunk(stream=Stream.STDOUT, time_ms=0, data=bytes(OUTPUT_DATA_MAX_BYTES + 1))
    with pytest.raises(ProtocolError, match="allowed"):
        encode_output(EXECUTION, 0, [large])
    half = encode_output(EXECUTION, 0, [Chunk(stream=Stream.STDOUT, time_ms=0, data=bytes(OUTPUT_DATA_MAX_BYTES))])
    with pytest.raises(ProtocolError, match="carries"):
        decode_output(half + half[26:])
    long = Welcome(protocol=1, epoch=1, ticket="x" * (1 << 20), runner_name="r", workspace="w")
    with pytest.raises(ProtocolError, match="larger than a frame"):
        encode(long)


# --- the hub's journal -----------------------------------------------------------------------------------------------


def records() -> list[Record]:
    workspace = "wsp_" + "2" * 32
    return [
        Record(
            kind=RecordKind.DATA,
            workspace_id=workspace,
            execution_id=EXECUTION,
            start=number * 4,
            time_ms=number,
            stream=1,
            data=b"abc\n",
        )
        for number in range(6)
    ]


@given(st.data())
def test_a_damaged_journal_gives_whole_records_up_to_the_damage(data: st.DataObject) -> None:
    """R28, R29: flipped, torn, zeroed or noise behind: what comes out was written, in its order, without a hole."""
    written = records()
    raw = bytearray(b"".join(pack(record) for record in written))
    position = data.draw(st.integers(min_value=0, max_value=len(raw) - 1))
    match data.draw(st.sampled_from(["flip", "tear", "zero", "noise"])):
        case "flip":
            raw[position] ^= 1 << data.draw(st.integers(min_value=0, max_value=7))
        case "tear":
            del raw[position:]
        case "zero":
            raw[position:] = bytes(len(raw) - position)
        case _:
            raw[position:] = data.draw(st.binary(max_size=300))
    found = [record for record, _ in unpack_all(bytes(raw))]
    assert found == written[: len(found)]


# --- the spool -------------------------------------------------------------------------------------------------------


def facts() -> Iterator[Fact]:
    yield make_fact(EXECUTION, 1, 1, StartedFact(at=START, pid=7))
    yield make_fact(EXECUTION, 1, 2, FinalFact(at=START, output_bytes=5, output_sha256="a" * 64))


async def test_a_damaged_spool_is_refused_and_kept_or_says_what_was_written(tmp_path: Path) -> None:
    """quick_check tells a broken page, each fact's checksum a flipped bit: refused with a sentence, data kept (R41)."""
    path = tmp_path / "spool.db"
    spool = await Spool.open(path)
    await spool.add(*facts())
    await spool.close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    sound = path.read_bytes()
    refused = 0
    chance = random.Random(1)
    told = [position for position in range(len(sound)) if sound[position]]
    for position in sorted({sound.rindex(b'"seq":2') + 6, sound.rindex(b"aaaa"), *chance.sample(told, 150)}):
        spoiled = bytearray(sound)
        spoiled[position] ^= 1 << chance.randrange(8)
        path.write_bytes(spoiled)
        if await says(path) == "refused":
            refused += 1
            assert path.read_bytes() == bytes(spoiled)
    assert refused >= 50


async def says(path: Path) -> str:
    """Open the spool and read it: what was written, or a refusal."""
    try:
        spool = await Spool.open(path)
    except SetupError as error:
        return "refused" if str(path) in str(error) else str(error)
    try:
        assert await spool.read(EXECUTION) == list(facts())
    finally:
        await spool.close()
        for beside in path.parent.glob("spool.db-*"):
            beside.unlink()
    return "whole"
