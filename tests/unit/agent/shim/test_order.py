"""Orders, verdicts, exit records and messages: what is written is what is read, and nothing else is taken."""

import io
import json
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.ports.files import SystemDisk
from agent.segments import Gap
from agent.shim import handover
from agent.shim.ahead import frame_order, read_order
from agent.shim.bounds import Bounds
from agent.shim.exit_file import EXIT_NAME, ExitFile, ExitFileError, ExitRecord, StreamEnd, decode_exit, read_exit
from agent.shim.order import LadderTimes, OrderError, Role, RunAs, ShimOrder, Stamp, decode_order, encode_order
from agent.shim.verdict import Verdict, VerdictDesk, VerdictError, VerdictKind, decode_verdict, encode_verdict
from agent.shim.wire import Incoming, WireError, encode
from agent.wire.lines import Remark
from agent.wire.words import AnnotationLevel, ExitKind, GapReason, OnDisconnect, StopCause, VoidReason
from tests.support.clock import FakeClock

ORDER = ShimOrder(
    execution_id="exe_1",
    fence=7,
    nonce="0" * 32,
    folder="/home/executions/exe_1" if sys.platform != "win32" else "C:\\executions\\exe_1",
    argv=("python", "bot.py", "ü", "\udcff"),
    env={"A": "1", "B": "\udc80"},
    cwd="/work",
    permit=Stamp(boot_ns=1, wall_ns=2),
    masks=(b"secret", b"\x00\xff"),
    run_limit_s=None,
    ladder=LadderTimes(kill_after_s=0.5),
    on_disconnect=OnDisconnect.STOP,
    heartbeat=Stamp(boot_ns=3, wall_ns=4),
    no_progress_s=1.5,
    bounds=Bounds(memory_bytes=1, cpu_seconds=0.5, kept=("memory",)),
    cgroup="/sys/fs/cgroup/x",
    groups={"memory": "/sys/fs/cgroup/x"},
    cpus=(0, 2),
    rlimits={"NOFILE": (1, -1)},
    run_as=RunAs(uid=1, gid=2, groups=(3,)),
    descriptors=(Role.FOLDER, Role.GATEWAY),
)
RECORD = ExitRecord(
    final=True,
    how=ExitKind.SIGNAL,
    code=None,
    signal=9,
    error="",
    started_wall_ns=1,
    ended_wall_ns=2,
    cause=StopCause.CANCEL,
    by="ana",
    last_step="kill",
    signaled_by_stop=True,
    peak_memory_bytes=3,
    output_bytes=4,
    output_sha256="ab" * 32,
    streams={"stdout": StreamEnd(ended=True, read_bytes=4, dropped_bytes=0)},
    gaps=(Gap(offset=4, missing_bytes=None, reason=GapReason.WRITER_LEFT, resumed_at=4),),
    survivors=((12, "sleep 600"),),
    annotations=(Remark(level=AnnotationLevel.ERROR, title="Log-in", text="no\nway"),),
    annotation_counts={AnnotationLevel.ERROR: 1, AnnotationLevel.NOTICE: 70},
    last_errors="ValueError: no",
)


def test_an_order_is_what_was_given() -> None:
    """Every field comes back, odd bytes of arguments and secrets too."""
    assert decode_order(encode_order(ORDER)) == ORDER
    plain = replace(ORDER, on_disconnect=OnDisconnect.KEEP, heartbeat=None, run_as=None, cgroup=None, descriptors=())
    assert decode_order(encode_order(plain)) == plain


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: body.update(version=2),
        lambda body: body["order"].pop("fence"),
        lambda body: body["order"].update(more=1),
        lambda body: body["order"].update(nonce="short"),
        lambda body: body["order"].update(argv=[]),
        lambda body: body["order"].update(folder="relative"),
        lambda body: body["order"].update(heartbeat=None),
        lambda body: body["order"].update(masks=["not base64!"]),
        lambda body: body["order"].update(permit={"boot_ns": 1}),
        lambda body: body["order"].update(on_disconnect="perhaps"),
    ],
)
def test_anything_else_is_no_order(spoil: Callable[[dict[str, dict[str, object]]], object]) -> None:
    """Decoding is strict and versioned."""
    body = json.loads(encode_order(ORDER))
    spoil(body)
    with pytest.raises(OrderError):
        decode_order(json.dumps(body).encode())


@given(st.binary(max_size=60))
def test_noise_is_an_error_of_its_kind(data: bytes) -> None:
    """No bytes make a decoder raise anything but its own error."""
    for decode, error in ((decode_order, OrderError), (decode_verdict, VerdictError), (decode_exit, ExitFileError)):
        with pytest.raises(error):
            decode(data)


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors travel on Unix sockets")
@pytest.mark.parametrize("size", [10, 500_000])
def test_an_order_travels_with_its_descriptors(tmp_path: Path, size: int) -> None:
    """One message, small or large, and the descriptors arrive in their order."""
    ours, theirs = handover.open_pair()
    order = replace(ORDER, masks=(b"x" * size,))
    with ours, theirs, (tmp_path / "a").open("w") as first, (tmp_path / "b").open("w") as second:
        handover.send_order(ours, order, (first.fileno(), second.fileno()))
        received = handover.receive_order(theirs)
        assert received is not None
        assert received[0] == order
        for number, expected in zip(received[1], (first, second), strict=True):
            with open(number, "w") as copy:  # noqa: PTH123 - a descriptor, not a path
                assert Path(f"/proc/self/fd/{number}").resolve() == Path(expected.name)
                assert not copy.closed


@pytest.mark.skipif(sys.platform == "win32", reason="Unix sockets")
def test_an_end_of_file_is_no_order() -> None:
    """An idle shim whose daemon is gone gets None."""
    ours, theirs = handover.open_pair()
    ours.close()
    with theirs:
        assert handover.receive_order(theirs) is None


def test_each_role_needs_its_descriptor() -> None:
    """A mismatch is noticed before anything is sent."""
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(OrderError):
        handover.send_order(ours, ORDER, (1,))


def test_a_verdict_is_what_was_written() -> None:
    """Both kinds come back; another version is refused."""
    for verdict in (
        Verdict(kind=VerdictKind.STARTED, nonce="a", wall_ns=1, boot_ns=2, pid=3, start="s"),
        Verdict(kind=VerdictKind.VOID, nonce="b", wall_ns=1, boot_ns=2, reason=VoidReason.STALE, message="old"),
    ):
        assert decode_verdict(encode_verdict(verdict)) == verdict
    newer = json.loads(encode_verdict(verdict)) | {"version": 99}
    with pytest.raises(VerdictError):
        decode_verdict(json.dumps(newer).encode())


def test_the_first_link_wins_for_ever(tmp_path: Path, clock: FakeClock) -> None:
    """Whoever links first; both then read the same (core.md D1)."""
    desk = VerdictDesk(disk=SystemDisk(), clock=clock)
    order = replace(ORDER, folder=str(tmp_path), permit=Stamp.of(clock))
    assert desk.read(tmp_path) is None
    first = desk.link_started(order, 1, "s")
    assert (first.kind, first.nonce) == (VerdictKind.STARTED, order.nonce)
    assert desk.link_void(tmp_path, VoidReason.CANCELED) == first
    assert desk.link_started(replace(order, nonce="1" * 32), 2, "t") == first
    assert desk.read(tmp_path) == first
    assert [path.name for path in tmp_path.iterdir()] == ["verdict"]


def test_a_stale_permit_is_voided(tmp_path: Path, clock: FakeClock) -> None:
    """The limit is 30 s; the verdict says how old (core.md D3)."""
    desk = VerdictDesk(disk=SystemDisk(), clock=clock)
    now = Stamp.of(clock)
    old = Stamp(boot_ns=now.boot_ns - 30_100_000_000, wall_ns=now.wall_ns)
    verdict = desk.link_started(replace(ORDER, folder=str(tmp_path), permit=old), 1, "s")
    assert (verdict.kind, verdict.reason, verdict.message) == (VerdictKind.VOID, VoidReason.STALE, "30.1 s old")


def test_an_exit_record_is_what_was_written(tmp_path: Path) -> None:
    """Early and final, each into reserved room, the second in place of the first (P5)."""
    file = ExitFile(folder=tmp_path, disk=SystemDisk())
    file.reserve()
    assert read_exit(tmp_path, SystemDisk()) is None
    early = replace(RECORD, final=False)
    file.write(early)
    assert read_exit(tmp_path, SystemDisk()) == early
    file.write(RECORD)
    assert read_exit(tmp_path, SystemDisk()) == RECORD
    assert [path.name for path in tmp_path.iterdir()] == [EXIT_NAME]


def test_unneeded_room_is_given_back(tmp_path: Path) -> None:
    """An order that became void leaves nothing reserved."""
    file = ExitFile(folder=tmp_path, disk=SystemDisk())
    file.reserve()
    file.release()
    assert list(tmp_path.iterdir()) == []


def test_many_gaps_are_joined_and_none_is_lost(tmp_path: Path) -> None:
    """The record stays small; its sum of missing bytes stays whole (G5, G8)."""
    gaps = tuple(Gap(offset=n, missing_bytes=2, reason=GapReason.DISK, resumed_at=n) for n in range(5000))
    file = ExitFile(folder=tmp_path, disk=SystemDisk())
    file.reserve()
    file.write(replace(RECORD, gaps=gaps))
    found = read_exit(tmp_path, SystemDisk())
    assert found is not None
    assert len(found.gaps) == 100
    assert sum(gap.missing_bytes or 0 for gap in found.gaps) == 10_000


@given(
    st.lists(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=9), max_size=3), max_size=4),
    st.data(),
)
def test_messages_survive_any_cutting(messages: list[dict[str, object]], data: st.DataObject) -> None:
    """The stream between shim and daemon has no boundaries; messages have."""
    stream = b"".join(encode(message) for message in messages)
    incoming, found = Incoming(), []
    while stream:
        size = data.draw(st.integers(1, min(64, len(stream))))
        found.extend(incoming.feed(stream[:size]))
        stream = stream[size:]
    assert found == messages


@pytest.mark.parametrize("data", [b"\xff\xff\xff\xff", b"\0\0\0\2no", b"\0\0\0\2[]"])
def test_noise_is_no_message(data: bytes) -> None:
    """Too long, not JSON, or not an object: the connection is closed."""
    with pytest.raises(WireError):
        Incoming().feed(data)


def test_an_order_comes_whole_by_standard_input_or_not_at_all() -> None:
    """Windows: the next process started ahead reads its order from a stream (core.md §2)."""
    framed = frame_order(ORDER)
    assert read_order(io.BytesIO(framed)) == ORDER
    for size in range(0, len(framed), 7):
        assert read_order(io.BytesIO(framed[:size])) is None
    with pytest.raises(OrderError):
        read_order(io.BytesIO(b"\0\0\0\2{}"))
