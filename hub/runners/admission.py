"""How many new connections a hub takes: so many a second, and so many handshakes at once (design.md §5, R49).

The rate spreads a herd after a restart. The second bound keeps an overloaded hub at work: what it has let in it can
finish before the runner's patience ends (`HANDSHAKE_S`); else it would serve those who have just given up, all of them,
for ever. Who is turned away is told when its turn will be, by what the hub manages now; refusing costs a tenth of
greeting.
"""

from collections.abc import Callable

LONGEST_WAIT_S = 60.0
HANDSHAKES_MAX = 24
"""Under way at once. In `HANDSHAKE_S` they are through even where the hub manages 5 a second, not 200."""
SILENT_S = 1.0
"""A handshake that waits longer for its runner's word leaves its place to another: strangers do not hold them all."""
HOPE = 3.0
"""Who is told too late leaves the hub idle meanwhile; too early costs it one more refusal, a tenth of a greeting."""
_PACE_OF = 4 * HANDSHAKES_MAX
"""Handshakes by which the pace is judged."""


class Place:
    """One handshake under way."""

    __slots__ = ("_admission",)

    def __init__(self, admission: "Admission") -> None:
        self._admission = admission

    def waits(self) -> None:
        """It is the runner's turn to say something."""
        self._admission.leave(self, waits=True)

    def goes_on(self) -> None:
        """The runner has said it."""
        self._admission.enter(self)

    def end(self) -> None:
        """Let in, refused or gone; a second end is none."""
        self._admission.leave(self)


class Admission:
    """A token bucket, `rate_per_s` on average and as many at once, the places, and a waiting list without names.

    Each one that is turned away is told a moment of its own: all told the same second would come back together, and be
    turned away together, every second anew.
    """

    def __init__(self, rate_per_s: float, elapsed_s: Callable[[], float], handshakes_max: int = HANDSHAKES_MAX) -> None:
        self._rate_per_s = rate_per_s
        self._elapsed_s = elapsed_s
        self._most = handshakes_max
        self._tokens = rate_per_s
        self._at_s = elapsed_s()
        self._promised_s = self._at_s
        self._at_work: set[Place] = set()
        self._silent: dict[Place, float] = {}
        """Since when each waits for its runner, the longest first."""
        self._busy_since_s = self._at_s
        self._done = 0.0
        """Handshakes that have ended since then."""

    @property
    def under_way(self) -> int:
        """Handshakes that the hub is at, or whose runner was silent for a moment only."""
        limit_s = self._elapsed_s() - SILENT_S
        for place in [place for place, since_s in self._silent.items() if since_s <= limit_s]:
            del self._silent[place]
        return len(self._at_work) + len(self._silent)

    def admit(self) -> float:
        """0 for a connection that is let in, else the seconds after which to come back."""
        now_s = self._elapsed_s()
        self._tokens = min(self._rate_per_s, self._tokens + (now_s - self._at_s) * self._rate_per_s)
        self._at_s = now_s
        is_full = self.under_way >= self._most
        if self._tokens >= 1 and not is_full:
            self._tokens -= 1
            return 0.0
        # Whoever does not wait as told must not push the list's end away for ever.
        pace = self._pace(now_s) if is_full else self._rate_per_s
        self._promised_s = min(max(self._promised_s, now_s) + 1 / pace, now_s + LONGEST_WAIT_S)
        return self._promised_s - now_s

    def begin(self) -> Place:
        """One that was let in begins its handshake: whoever made it ends it."""
        if not self.under_way:
            self._busy_since_s, self._done = self._elapsed_s(), 0.0
        place = Place(self)
        self.enter(place)
        return place

    def enter(self, place: Place) -> None:
        """See `Place.goes_on`."""
        self._silent.pop(place, None)
        self._at_work.add(place)

    def leave(self, place: Place, *, waits: bool = False) -> None:
        """See `Place.waits` and `Place.end`."""
        if waits:
            self._at_work.discard(place)
            self._silent[place] = self._elapsed_s()
            return
        if place in self._at_work:
            self._done += 1
        self._at_work.discard(place)
        self._silent.pop(place, None)

    def _pace(self, now_s: float) -> float:
        """Handshakes a second that the hub may manage soon: more than at present, at most the rate."""
        busy_s = now_s - self._busy_since_s
        if self._done >= _PACE_OF:
            # What it managed minutes ago says little.
            self._done, busy_s = self._done / 2, busy_s / 2
            self._busy_since_s = now_s - busy_s
        managed = max(self._done, 1.0)
        return min(self._rate_per_s, HOPE * managed / busy_s) if busy_s > 0 else self._rate_per_s
