"""Which files of a folder are at rest, which are new, and what of it the hub still has to answer (pure).

    seen --unchanged for stable_s, readable--> waiting --told--> asked --answered--> settled
      ^                                           ^                |
      +------ came to nothing, refused -----------+--- link cut ---+

A file is its device, inode, time of change and size. Its names only lead to it: renamed, it stays where it is in this
picture; changed, it is another one and begins anew. Nothing here is stored: a runner that starts anew tells all that it
finds, and the hub knows what it had.
"""

import heapq
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple

UNREADABLE_FIRST_S = 1.0
UNREADABLE_MAX_S = 60.0
UNREADABLE_TOLD_S = 16.0
"""A file that can't be read is a trouble once it waits for so long: most are only held by who writes them."""
AGAIN_FIRST_S = 60.0
AGAIN_MAX_S = 3600.0
REFUSED_S = 30.0
DUE_MAX = 1000
"""So many paths are looked at together."""
SLICE = 200
"""So many files are taken in before others have their turn: a few milliseconds."""


class Identity(NamedTuple):
    """What makes a file this one."""

    device: int
    inode: int
    mtime_ns: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A file to be told."""

    identity: Identity
    path: str
    was_there: bool
    answered: bool


class _State(Enum):
    SEEN = auto()
    WAITING = auto()
    ASKED = auto()
    SETTLED = auto()


@dataclass(slots=True)
class _File:
    state: _State
    due_at: float
    """When it is to be looked at, while it is `SEEN`."""
    paths: dict[str, None] = field(default_factory=dict)
    pause_s: float = 0.0
    unreadable: str = ""
    was_there: bool = False
    answered: bool = False


def oldest_first(found: Mapping[str, Identity]) -> dict[str, Identity]:
    """By the time of change, as they may have come; with many files it takes long."""
    return dict(sorted(found.items(), key=lambda one: (one[1].mtime_ns, one[0])))


class Settling:
    """One folder's files. `now` is always the same monotonic clock's."""

    def __init__(self, stable_s: float, *, leave_existing: bool = False) -> None:
        self._stable_s = stable_s
        self._leave_existing = leave_existing
        self._is_first = True
        self._at: dict[str, Identity] = {}
        self._files: dict[Identity, _File] = {}
        self._due: list[tuple[float, int, Identity]] = []
        """A heap of when each file that is `SEEN` is to be looked at; what does not hold any more is left in it."""
        self._turns = itertools.count()
        self._held: dict[Identity, None] = {}
        """Those that could not be read for a while."""
        self._waiting: dict[Identity, None] = {}
        self._asked: tuple[Identity, ...] = ()
        self._unanswered: set[Identity] | None = None
        """Of the first look through the whole folder, or the last one that tells all; None once the hub knows all."""

    # --- seen --------------------------------------------------------------------------------------------------------

    def listed(self, found: Mapping[str, Identity], now: float, *, tell_all: bool = False) -> None:
        """All that lies there now, `oldest_first`. With `tell_all` also what was answered before is told, once more."""
        for _ in self.listing(found, now, tell_all=tell_all):
            pass

    def listing(self, found: Mapping[str, Identity], now: float, *, tell_all: bool = False) -> Iterator[None]:
        """The same in slices. Between them answers may come, but no other look."""
        for number, path in enumerate(list(self._at)):
            if path not in found:
                self._leave(path)
            if number % SLICE == 0:
                yield
        leaves = self._leave_existing and self._is_first
        for number, (path, identity) in enumerate(found.items()):
            self._meet(path, identity, now, was_there=leaves)
            if number % SLICE == 0:
                yield
        if tell_all or self._is_first:
            yield from self._inquire(tell_all=tell_all)
        self._is_first = False

    def _inquire(self, *, tell_all: bool) -> Iterator[None]:
        """The hub shall know all that lies there."""
        unanswered = self._unanswered = set()
        for number, (identity, file) in enumerate(list(self._files.items())):
            if tell_all and file.state is _State.SETTLED:
                self._wait(identity, file)
            if file.state is not _State.SETTLED and (file.was_there or not file.pause_s):
                unanswered.add(identity)
            if number % SLICE == 0:
                yield

    def lost(self) -> None:
        """The folder can't be looked through: nothing of it is known any more."""
        self._at, self._files, self._due, self._waiting, self._held = {}, {}, [], {}, {}
        self._unanswered, self._is_first = None, True

    def looked(self, path: str, identity: Identity | None, now: float, *, unreadable: str | None = None) -> None:
        """What is at a path now: None for nothing; `unreadable` says why it could not be opened, None: not tried."""
        if identity is None:
            self._leave(path)
            return
        file = self._meet(path, identity, now)
        if file.state is not _State.SEEN or now < file.due_at or unreadable is None:
            return
        if not unreadable or file.was_there:
            self._wait(identity, file)
            return
        file.unreadable = unreadable
        self._put_off(identity, file, now, UNREADABLE_FIRST_S, UNREADABLE_MAX_S)
        if file.pause_s >= UNREADABLE_TOLD_S:
            self._held[identity] = None

    def due_at(self) -> float:
        """When some path is to be looked at."""
        self._clear_up()
        while self._due and not self._is_due(self._due[0]):
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else float("inf")

    def due(self, now: float) -> list[str]:
        """The paths, or the first of many, that are to be looked at, opened for a moment, and told to `looked`."""
        taken: list[tuple[float, int, Identity]] = []
        while len(taken) < DUE_MAX and self.due_at() <= now:
            taken.append(heapq.heappop(self._due))
        for one in taken:
            heapq.heappush(self._due, one)  # until it is looked at
        return list(dict.fromkeys(next(iter(self._files[identity].paths)) for _, _, identity in taken))

    def unreadable(self) -> tuple[int, str, str] | None:
        """(How many files, path of one of them, why) that could not be read for a while; None for none."""
        first = next(iter(self._held), None)
        if first is None:
            return None
        file = self._files[first]
        return len(self._held), next(iter(file.paths)), file.unreadable

    def __len__(self) -> int:
        """How many files lie there."""
        return len(self._files)

    # --- told --------------------------------------------------------------------------------------------------------

    def ask(self, at_most: int) -> list[Ready]:
        """The next files to be told, until `answered`, `refused` or `cut`."""
        taken = [identity for identity, _ in zip(self._waiting, range(at_most), strict=False)]
        ready = []
        for identity in taken:
            file = self._files[identity]
            del self._waiting[identity]
            file.state = _State.ASKED
            path = next(iter(file.paths))
            ready.append(
                Ready(identity=identity, path=path, was_there=file.was_there, answered=file.answered),
            )
        self._asked = tuple(taken)
        return ready

    def answered(self, again: Iterable[int], now: float) -> None:
        """What was asked is settled, but for those places: they are told again later."""
        later = set(again)
        for place, (identity, file) in enumerate(self._take_asked()):
            if file is None:
                continue
            if place in later:
                self._put_off(identity, file, now, AGAIN_FIRST_S, AGAIN_MAX_S)
                continue
            file.state, file.answered, file.pause_s = _State.SETTLED, True, 0.0
            self._forget_unanswered(identity)

    def refused(self, now: float) -> None:
        """The hub took none: what is to be watched will be said anew, or is asked again."""
        for identity, file in self._take_asked():
            if file is not None:
                self._see(identity, file, now + REFUSED_S)

    def cut(self) -> None:
        """Nobody knows what was taken of it: it is told again."""
        for identity, file in self._take_asked():
            if file is not None:
                self._wait(identity, file)

    @property
    def is_all_answered(self) -> bool:
        """Whether all that such a look found is answered; until `all_told`."""
        return self._unanswered is not None and not self._unanswered

    def all_told(self) -> None:
        """The hub knows that."""
        self._unanswered, self._leave_existing = None, False

    # --- inside ------------------------------------------------------------------------------------------------------

    def _meet(self, path: str, identity: Identity, now: float, *, was_there: bool = False) -> _File:
        if self._at.get(path) != identity:
            self._leave(path)
            self._at[path] = identity
        file = self._files.get(identity)
        if file is None:
            file = self._files[identity] = _File(state=_State.SEEN, due_at=0.0, was_there=was_there)
            if was_there:
                self._wait(identity, file)
            else:
                self._see(identity, file, now + self._stable_s)
        file.paths[path] = None
        return file

    def _leave(self, path: str) -> None:
        identity = self._at.pop(path, None)
        if identity is None:
            return
        file = self._files[identity]
        del file.paths[path]
        if not file.paths:
            del self._files[identity]
            self._held.pop(identity, None)
            self._waiting.pop(identity, None)
            self._forget_unanswered(identity)

    def _wait(self, identity: Identity, file: _File) -> None:
        file.state, file.unreadable = _State.WAITING, ""
        self._held.pop(identity, None)
        self._waiting[identity] = None

    def _see(self, identity: Identity, file: _File, due_at: float) -> None:
        file.state, file.due_at = _State.SEEN, due_at
        heapq.heappush(self._due, (due_at, next(self._turns), identity))
        self._clear_up()

    def _clear_up(self) -> None:
        """Forget turns that do not hold any more, once they are the most."""
        if len(self._due) > 2 * len(self._files) + DUE_MAX:
            self._due = [one for one in self._due if self._is_due(one)]
            heapq.heapify(self._due)

    def _is_due(self, turn: tuple[float, int, Identity]) -> bool:
        due_at, _, identity = turn
        file = self._files.get(identity)
        return file is not None and file.state is _State.SEEN and file.due_at == due_at

    def _put_off(self, identity: Identity, file: _File, now: float, first_s: float, most_s: float) -> None:
        file.pause_s = min(max(first_s, 2 * file.pause_s), most_s)
        self._see(identity, file, now + file.pause_s)
        if not file.was_there:
            # Of what was there, all is known to the hub, or after a new start it would be told as new.
            self._forget_unanswered(identity)

    def _take_asked(self) -> list[tuple[Identity, _File | None]]:
        """What was asked, in its order; None for what is gone, or came back as another inquiry, meanwhile."""
        asked, self._asked = self._asked, ()
        files = [(identity, self._files.get(identity)) for identity in asked]
        return [(identity, file if file and file.state is _State.ASKED else None) for identity, file in files]

    def _forget_unanswered(self, identity: Identity) -> None:
        if self._unanswered is not None:
            self._unanswered.discard(identity)
