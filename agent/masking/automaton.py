"""Finding patterns in pieces of a stream: one automaton of their first bytes, then the pattern itself.

Most output holds no secret, so what counts is how fast a piece without one is passed. An automaton of whole patterns
would have tens of thousands of states for thirty secrets, be slow to make, and too large for its fast kind (`DFA`,
three times as fast as the others). One of the first 12 bytes is made in a millisecond; what it finds is compared.
"""

from bisect import bisect_right
from collections.abc import Iterable

from ahocorasick_rs import BytesAhoCorasick, Implementation

from agent.masking.encodings import patterns_of

ANCHOR_BYTES = 12
_FAST_MAX_BYTES = 16 * 1024
"""Above this sum of anchors the fast automaton would take more than some 8 MB, and long to make."""
_GROWS_MAX = 400
_AUTOMATA_MAX = 4
Span = tuple[int, int]


class Automaton:
    """Looks for a fixed set of patterns. Immutable, so that it may be used while another one is made."""

    def __init__(self, patterns: list[bytes]) -> None:
        """`patterns` are sorted, without repetition, none of them empty."""
        self.patterns = patterns
        self._shorter = _shorter(patterns)
        self.longest_bytes = max(map(len, patterns))
        anchors = sorted({pattern[:ANCHOR_BYTES] for pattern in patterns})
        is_small = sum(map(len, anchors)) <= _FAST_MAX_BYTES
        kind = Implementation.DFA if is_small else Implementation.ContiguousNFA
        self._anchors = BytesAhoCorasick(anchors, implementation=kind)
        self._beginnings = frozenset(anchor[:length] for anchor in anchors for length in range(1, len(anchor)))
        self._bytes_of_beginnings = frozenset(b"".join(anchor[:-1] for anchor in anchors))

    def look(self, text: bytes) -> tuple[list[Span], int]:
        """Return the longest occurrence at each place that has one; and from where the rest may begin another.

        The second is the length of `text` where nothing at its end can become an occurrence.
        """
        if not self._anchors.find_matches_as_indexes(text):
            return [], self._short_open(text, len(text))
        spans = []
        open_at = size = len(text)
        tail = size - self.longest_bytes
        for start in sorted({start for _, start, _ in self._anchors.find_matches_as_indexes(text, overlapping=True)}):
            rest = text[start : start + self.longest_bytes]
            index = bisect_right(self.patterns, rest)
            length = self._length_at(index - 1, rest)
            if length:
                spans.append((start, start + length))
            if tail < start < open_at and index < len(self.patterns) and self.patterns[index].startswith(rest):
                open_at = start
        return spans, self._short_open(text, open_at)

    def _length_at(self, index: int, rest: bytes) -> int:
        """Length of the longest pattern that `rest` begins with; the last one that sorts before it, or one in that."""
        while index >= 0:
            if rest.startswith(self.patterns[index]):
                return len(self.patterns[index])
            index = self._shorter[index]
        return 0

    def _short_open(self, text: bytes, open_at: int) -> int:
        """The first place of a rest that is shorter than an anchor, which the automaton does not see."""
        size = len(text)
        if not size or text[-1] not in self._bytes_of_beginnings:
            return open_at
        for start in range(max(0, size - ANCHOR_BYTES + 1), open_at):
            if text[start:] in self._beginnings:
                return start
        return open_at


Automata = tuple[Automaton, ...]


def _shorter(patterns: list[bytes]) -> list[int]:
    """For each of the sorted patterns, where the longest other one stands that it begins with; -1 for none."""
    found: list[int] = []
    for index, pattern in enumerate(patterns):
        before = index - 1
        while before >= 0 and not pattern.startswith(patterns[before]):
            before = found[before]
        found.append(before)
    return found


class PatternSet:
    """What is looked for, shared by the maskers of one execution, so that an addition reaches all of them at once."""

    def __init__(self, secrets: Iterable[bytes] = ()) -> None:
        self._secrets: dict[bytes, None] = {}
        self._made: tuple[int, Automata] = (0, ())
        self.add(secrets)

    @property
    def secrets(self) -> tuple[bytes, ...]:
        """Everything that was given, in the order of its coming; a new daemon reads it back (core.md §2)."""
        return tuple(self._secrets)

    @property
    def longest_bytes(self) -> int:
        """Length of the longest pattern, 0 when there is none."""
        return max((each.longest_bytes for each in self.automata()), default=0)

    def add(self, secrets: Iterable[bytes]) -> None:
        """Look for these too, from now on; bytes that are held back still count."""
        self._secrets.update(dict.fromkeys(secrets))

    def automata(self) -> Automata:
        """What finds them; empty where there is nothing to look for.

        Made when first asked: who only keeps the secrets, or sees no output, need not wait for it. Another thread may
        add while this one makes: so what was made is kept with the number of secrets that it was made of.
        """
        count, made = self._made
        if count == len(self._secrets):
            return made
        secrets = self.secrets
        made = _extended(made, patterns_of(secrets[count:]))
        self._made = (len(secrets), made)
        return made


def look(automata: Automata, text: bytes) -> tuple[list[Span], int]:
    """As `Automaton.look`, for all of them; the occurrences by their start."""
    spans, open_at = automata[0].look(text)
    for each in automata[1:]:
        more, also = each.look(text)
        spans += more
        open_at = min(open_at, also)
    if len(automata) > 1:
        spans.sort()
    return spans, open_at


def _extended(made: Automata, fresh: list[bytes]) -> Automata:
    """Let an addition cost what it adds, not what is there: a small automaton grows, a large one gets another beside.

    Each is one more pass over all output, so there are few; beyond that all become one.
    """
    if not fresh or not made:
        return (*made, Automaton(fresh)) if fresh else made
    last = made[-1]
    if len(last.patterns) <= _GROWS_MAX:
        return (*made[:-1], Automaton(sorted({*last.patterns, *fresh})))
    if len(made) < _AUTOMATA_MAX:
        return (*made, Automaton(fresh))
    return (Automaton(sorted({*fresh, *(pattern for each in made for pattern in each.patterns)})),)
