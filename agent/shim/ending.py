"""How a bot comes to its end: stops, ladder, limits, the exit of the main process, the empty tree, the exit file.

    running ── stop, limit, dead-man ──> stopping ──┐
       └────────── main process reaped ─────────────┴──> exited ── tree empty and pipes at their end ──> final ──> over

Whatever leads there, the exit is written and told at once, leftovers of the tree are ended by the ladder from SIGTERM
on, and pipes that somebody outside the tree holds are read for `drain_s` after the tree is empty (R33).
"""

import json
from typing import TYPE_CHECKING, Any

from agent.segments import Gap
from agent.shim.deadlines import deadlines_of
from agent.shim.exit_file import ExitRecord, encode_exit
from agent.shim.ladder import Ladder, Step, at_once, shorten, start, take_due
from agent.shim.lines import Progress
from agent.shim.order import Stamp
from agent.shim.watch import begin_watch, limit_that_ended, watch_of
from agent.wire.lines import Remark
from agent.wire.words import AnnotationLevel, ExitKind, GapReason, StopCause

if TYPE_CHECKING:
    from agent.shim.body import StartFailure, Tree
    from agent.shim.bounds import Bounds, Excess
    from agent.shim.supervisor import House
    from agent.shim.taps import Taps
    from agent.shim.verdict import Verdict

STOP_NAME = "stop"
STOP_VERSION = 1
_NS = 1_000_000_000
_KILL_AGAIN_NS = 200_000_000


class Ending:
    """All that is known of the end, and what is done about it. Driven by the supervisor's loop."""

    def __init__(self, house: "House", verdict: "Verdict", tree: "Tree", taps: "Taps") -> None:
        self._house = house
        self._tree = tree
        self._taps = taps
        self._watch = watch_of(house, tree)
        self._started_wall_ns = verdict.wall_ns
        self.deadlines = deadlines_of(house.order, verdict.boot_ns)
        self.cause: StopCause | None = None
        self.by = ""
        self._ladder: Ladder | None = None
        self._last_step: Step | None = None
        self._signaled = False
        self._failure: StartFailure | None = None
        self._limit = ""
        self._read_bytes = 0
        self._is_exit_told = False
        self._is_empty_told = False
        self._is_final = False
        self._ended_wall_ns = 0
        self._survivors: tuple[tuple[int, str], ...] = ()
        self._drain_until_ns: int | None = None
        self._kill_again_ns: int | None = None

    @property
    def is_over(self) -> bool:
        """True when the final exit file is written and no process is left."""
        return self._is_final and self._tree.is_empty

    def stop(self, cause: StopCause, by: str, now: Stamp) -> bool:
        """Begin to stop, or let a second cause shorten; False when the main process has ended already.

        The cause is durable before the first signal (core.md §3): the first that stands in the file counts.
        """
        if self._tree.exited is not None:
            return False
        if self.cause is None:
            self.cause, self.by = self._write_cause(cause, by, now)
            self._house.service.push({"event": "stopping", "cause": self.cause, "by": self.by})
        fresh = start(cause, now.boot_ns, self._house.order.ladder)
        self._ladder = fresh if self._ladder is None else shorten(self._ladder, fresh)
        return True

    def exceed(self, excess: "Excess", now: Stamp) -> None:
        """A limit is exceeded: stop with that cause, at once where the machine is in danger (S20)."""
        if self._tree.exited is None:
            self._limit = self._limit or excess.text
            self.stop(StopCause.LIMIT, "shim", now)
        if excess.is_urgent:
            fresh = at_once(now.boot_ns, self._house.order.ladder)
            self._ladder = fresh if self._ladder is None else shorten(self._ladder, fresh)

    def touch(self, now_ns: int) -> None:
        """The bot gets on: it printed, or said something through the gateway."""
        self.deadlines = self.deadlines.progressed(now_ns)

    def set_bounds(self, bounds: "Bounds") -> None:
        """Watch these from now on."""
        if self._watch is not None:
            self._watch.set_bounds(bounds)
        elif bounds.is_set:
            self._watch = begin_watch(self._house, self._tree, bounds)

    def note_exec(self, failure: "StartFailure | None") -> None:
        """The child became the bot, or told why not."""
        self._failure = failure

    def note_children(self, now: Stamp) -> None:
        """Some process ended: tell the exit of the main one at once, then the end of the tree."""
        if self._tree.exited is not None and not self._is_exit_told:
            self._is_exit_told = True
            self._ended_wall_ns = now.wall_ns
            if self._tree.is_empty and not self._taps.open_sources():
                self._end_at_once(now)
                return
            record = self._record(final=False)
            self._keep(record)
            self._house.service.push({"event": "exited", "exit": _told(record)})
            if not self._tree.is_empty:
                left = start(None, now.boot_ns, self._house.order.ladder)
                self._ladder = left if self._ladder is None else shorten(self._ladder, left)
        if self._tree.is_empty and not self._is_empty_told:
            self._is_empty_told = True
            self._ladder = None
            self._kill_again_ns = None
            self._begin_drain(now)
            self._house.service.push({"event": "empty"})

    def _end_at_once(self, now: Stamp) -> None:
        """All of it is known together, as with most bots: one exit file instead of two."""
        self._is_empty_told = True
        record = self._write_final(now)
        for event in ("exited", "empty", "ended"):
            self._house.service.push({"event": event, "exit": _told(record)})

    def look(self, now: Stamp) -> None:
        """Do what is due: limits, steps of the ladder."""
        self._look_at_tree(now)
        if self.cause is None and self._tree.exited is None:
            self._note_output(now.boot_ns)
            cause = self.deadlines.passed(now)
            if cause is not None:
                self.stop(cause, "shim", now)
        while self._ladder is not None and not self._tree.is_empty:
            self._ladder, step = take_due(self._ladder, now.boot_ns, self._house.order.ladder)
            if step is None:
                break
            self._take_step(step, now)
        if self._ladder is not None and self._tree.exited is not None and not self._tree.is_empty:
            # Where orphans are nobody's children no signal tells of their end.
            self._tree.reap()
            self.note_children(now)
        if self._kill_again_ns is not None and now.boot_ns >= self._kill_again_ns:
            self._kill_again_ns = now.boot_ns + _KILL_AGAIN_NS
            self._tree.kill()
        # A kill collects what it ended.
        self.note_children(now)

    def next_due_ns(self, now_ns: int) -> int | None:
        """When `look` must be called again."""
        dues = [self._kill_again_ns]
        if self._ladder is not None and not self._tree.is_empty:
            dues.append(self._ladder.next_due_ns)
        if self.cause is None and self._tree.exited is None:
            dues.append(self.deadlines.next_look_ns(now_ns))
        if self._watch is not None and not self._tree.is_empty:
            dues.append(self._watch.due_ns)
        if self._taps.open_sources():
            # Without any the drain ends nothing: where the main process outlives SIGKILL only its own end does.
            dues.append(self._drain_until_ns)
        return min((due for due in dues if due is not None), default=None)

    def is_drain_over(self, now_ns: int) -> bool:
        """True when pipes that are still open are read no longer."""
        return self._drain_until_ns is not None and now_ns >= self._drain_until_ns

    def finish_if_done(self, now: Stamp) -> None:
        """Write the final exit file once exit, tree (or its survivors) and streams are known."""
        if self._is_final or self._tree.exited is None or self._taps.open_sources():
            return
        if not self._tree.is_empty and self._drain_until_ns is None:
            return
        record = self._write_final(now)
        self._house.service.push({"event": "ended", "exit": _told(record)})

    def _write_final(self, now: Stamp) -> ExitRecord:
        self._is_final = True
        self._house.lines.tell_progress(now.boot_ns, is_end=True)
        self._house.writer.close(now.wall_ns)
        record = self._record(final=True)
        self._keep(record)
        return record

    def _keep(self, record: ExitRecord) -> None:
        try:
            self._house.exit_file.write(record)
        except OSError:
            # A disk that fails is no reason to leave the tree alone: a daemon that is connected hears it from here, one
            # that comes later finds no end, and says so (`supervisor_lost`).
            return

    def state(self, pid: int, verdict: "Verdict") -> dict[str, Any]:
        """What a daemon is told when it connects, and when it asks."""
        order = self._house.order
        heartbeat = self.deadlines.heartbeat
        return {
            "execution_id": order.execution_id,
            "fence": order.fence,
            "pid": pid,
            "shim": verdict.pid,
            "shim_start": verdict.start,
            "started_wall_ns": self._started_wall_ns,
            "length": self._house.writer.length,
            "cause": self.cause,
            "by": self.by,
            "exit": _told(self._record(final=self._is_final)) if self._is_exit_told else None,
            "progress": _progress_told(self._house.lines.progress),
            "is_empty": self._is_empty_told,
            "is_final": self._is_final,
            "run_until_boot_ns": self.deadlines.run_until_ns,
            "heartbeat": None if heartbeat is None else {"boot_ns": heartbeat.boot_ns, "wall_ns": heartbeat.wall_ns},
        }

    def _look_at_tree(self, now: Stamp) -> None:
        if self._watch is None or self._tree.is_empty:
            return
        excess = self._watch.look(now.boot_ns)
        if excess is not None:
            self.exceed(excess, now)

    def _note_output(self, now_ns: int) -> None:
        if self.deadlines.no_progress_s is not None and self._taps.read_bytes != self._read_bytes:
            self._read_bytes = self._taps.read_bytes
            self.touch(now_ns)

    def _take_step(self, step: Step, now: Stamp) -> None:
        if step is not Step.REPORT:
            self._last_step = step
            self._signaled = self._signaled or self._tree.exited is None
        match step:
            case Step.INTERRUPT:
                self._tree.interrupt()
            case Step.TERMINATE:
                self._tree.terminate()
            case Step.KILL:
                self._tree.kill()
                self._kill_again_ns = now.boot_ns + _KILL_AGAIN_NS
            case Step.REPORT:
                self._survivors = self._tree.survivors()
                self._kill_again_ns = None
                self._house.service.push({"event": "survivors", "survivors": self._survivors})
                self._begin_drain(now)
            case Step.DONE:
                return

    def _begin_drain(self, now: Stamp) -> None:
        if self._drain_until_ns is None:
            self._drain_until_ns = now.boot_ns + int(self._house.order.ladder.drain_s * _NS)

    def _write_cause(self, cause: StopCause, by: str, now: Stamp) -> tuple[StopCause, str]:
        body = {"version": STOP_VERSION, "cause": cause, "by": by, "wall_ns": now.wall_ns}
        try:
            held = self._house.disk.link_exclusive(self._house.folder / STOP_NAME, json.dumps(body).encode())
            found = json.loads(held)
            return StopCause(found["cause"]), str(found["by"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            # Neither a full disk nor what a bot put there may keep a bot alive; the cause still stands in the exit
            # file, whose room is reserved.
            return cause, by

    def _record(self, *, final: bool) -> ExitRecord:
        exited, writer = self._tree.exited, self._house.writer
        gaps = list(writer.gaps)
        doubts, counts = self._doubts(), self._house.lines.annotation_counts
        if doubts:
            counts[AnnotationLevel.WARNING] = counts.get(AnnotationLevel.WARNING, 0) + len(doubts)
        if final and not self._taps.all_ended:
            gaps.append(
                Gap(
                    offset=writer.length,
                    missing_bytes=None,
                    reason=GapReason.WRITER_LEFT,
                    resumed_at=writer.length,
                )
            )
        return ExitRecord(
            final=final,
            how=self._how(),
            code=None if exited is None or self._failure else exited.code,
            signal=None if exited is None else exited.signal,
            error=self._error_text(),
            started_wall_ns=self._started_wall_ns,
            ended_wall_ns=self._ended_wall_ns,
            cause=self.cause,
            by=self.by,
            last_step=None if self._last_step is None else self._last_step.name.lower(),
            signaled_by_stop=self._signaled and self.cause is not None,
            peak_memory_bytes=0 if exited is None else exited.peak_memory_bytes,
            output_bytes=writer.length,
            output_sha256=writer.sha256,
            streams=self._taps.ends(),
            gaps=tuple(gaps),
            survivors=() if self._tree.is_empty else self._survivors,
            annotations=(*doubts, *self._house.lines.annotations),
            annotation_counts=counts,
            last_errors="" if exited is None or exited.code == 0 else self._taps.last_errors.text(),
        )

    def _doubts(self) -> list[Remark]:
        """That the runner's disk failed is said with the execution: the digest tells whether it cost anything."""
        offset = self._house.writer.doubtful_from
        if offset is None:
            return []
        text = f"The runner's disk failed to make output durable: from byte {offset:,} on it may be damaged."
        return [Remark(level=AnnotationLevel.WARNING, title="output", text=text)]

    def _error_text(self) -> str:
        """Why it could not be started, or the limit that ended it."""
        if self._failure is not None:
            return f"{self._failure.step}: {self._failure.text}"
        if self.cause is StopCause.LIMIT:
            return self._limit
        bounds = self._house.order.bounds if self._watch is None else self._watch.bounds
        return limit_that_ended(self._house.order, bounds, self._tree, self._how())

    def _how(self) -> ExitKind:
        exited = self._tree.exited
        if self._failure is not None:
            return ExitKind.EXEC_FAILED
        if exited is None or exited.signal is None:
            return ExitKind.NORMAL
        is_ours = self._signaled
        return ExitKind.OOM_KILLED if not is_ours and self._tree.was_out_of_memory() else ExitKind.SIGNAL


def _progress_told(progress: Progress | None) -> dict[str, Any] | None:
    return None if progress is None else {"percent": progress.percent, "text": progress.text}


def _told(record: ExitRecord) -> dict[str, Any]:
    """The record as it travels: the same JSON as in the file."""
    body: dict[str, Any] = json.loads(encode_exit(record))
    return body
