"""Lines on their way to the masker: what acts, what is hidden, and that pieces make no difference (§7, S15)."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.masking import Masker, PatternSet
from agent.shim.last_errors import LAST_ERRORS_BYTES, LastErrors
from agent.shim.lines import PROGRESS_EVERY_NS, TEXT_MAX, LineDesk, LineScan
from agent.shim.wire import Message
from agent.wire.lines import COMMAND_MAX_BYTES, Remark
from agent.wire.words import AnnotationLevel


class Stream:
    """One stream of a bot, as `Taps` reads it."""

    def __init__(self, desk: LineDesk, patterns: PatternSet) -> None:
        self.scan = LineScan(desk)
        self.masker = Masker(patterns)
        self.stored = b""

    def write(self, data: bytes) -> None:
        for part in self.scan.feed(data):
            self.stored += self.masker.feed(part)

    def end(self) -> bytes:
        for part in self.scan.end():
            self.stored += self.masker.feed(part)
        self.stored += self.masker.end()
        return self.stored


class Bot:
    """Two streams, what they commanded, and what was told of it."""

    def __init__(self, *secrets: bytes) -> None:
        self.told: list[Message] = []
        self.patterns = PatternSet(secrets)
        self.desk = LineDesk(self.patterns.add, self.patterns, self.told.append)
        self.out = Stream(self.desk, self.patterns)
        self.err = Stream(self.desk, self.patterns)


def stored(*pieces: bytes, secrets: tuple[bytes, ...] = ()) -> bytes:
    """What is stored of one stream that comes in these pieces."""
    bot = Bot(*secrets)
    for piece in pieces:
        bot.out.write(piece)
    return bot.out.end()


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (b"plain\ntext", b"plain\ntext"),
        (b"::add-mask::value-1\nvalue-1\n", b"::add-mask::***\n***\n"),
        (b"::add-mask::value-1", b"::add-mask::***"),
        (b" \t::ADD-Mask::value-1\r\nvalue-1\r\n", b" \t::ADD-Mask::***\r\n***\r\n"),
        (b"::add-mask a=b::value-1\nvalue-1\n", b"::add-mask a=b::***\n***\n"),
        (b"x ::add-mask::value-1\nvalue-1\n", b"x ::add-mask::value-1\nvalue-1\n"),
        (b"::add-mask\n::value-1\n", b"::add-mask\n::value-1\n"),
        (b"value-1\n::add-mask::value-1\nvalue-1\n", b"value-1\n::add-mask::***\n***\n"),
        (b"::add-mask::50%25off\n50%off 50%25off\n", b"::add-mask::***\n*** ***\n"),
        (b"::add-mask::line-one%0Aline-two\nline-two\n", b"::add-mask::***\n***\n"),
        (b"::add-mask::ab\nab\n", b"::add-mask::***\nab\n"),
        (b"::add-mask::\nx\n", b"::add-mask::\nx\n"),
        (b"::add-mask::***\n****\n", b"::add-mask::***\n****\n"),
        (b"::add-mask::\xff\xfe\xfd\xfc\n\xff\xfe\xfd\xfc\n", b"::add-mask::***\n***\n"),
        (b"::stop-commands::t1\n::add-mask::value-1\n::T1::\n", b"::stop-commands::t1\n::add-mask::value-1\n::T1::\n"),
        (b"::error::value\n::group::a\n::nothing::b\n", b"::error::value\n::group::a\n::nothing::b\n"),
    ],
)
def test_bytes_pass_but_for_values_that_are_to_be_masked(written: bytes, kept: bytes) -> None:
    """The line itself is stored as `::add-mask::***`; the value is masked from that line on."""
    assert stored(written) == kept
    assert stored(*(written[at : at + 1] for at in range(len(written)))) == kept


def test_a_value_is_held_back_until_its_line_is_whole() -> None:
    """No byte of it is given out; everything else is, at once."""
    bot = Bot()
    bot.out.write(b"text ::\n  ::add-mask::sec")
    assert bot.out.stored == b"text ::\n  ::add-mask::"
    bot.out.write(b"ret-1\nsec")
    assert bot.out.stored == b"text ::\n  ::add-mask::***\n"
    bot.out.write(b"ond")
    assert bot.out.end() == b"text ::\n  ::add-mask::***\nsecond"


def test_a_value_of_one_stream_is_masked_on_the_other() -> None:
    """GitHub reads both streams; what is held back on the other counts, too."""
    bot = Bot()
    bot.err.write(b"::add-mask::tok")
    bot.out.write(b"tok-12 is text yet, tok-1")
    bot.err.write(b"en-99\n")
    bot.out.write(b"token-99\n")
    assert bot.out.end() == b"tok-12 is text yet, tok-1***\n"
    assert bot.err.end() == b"::add-mask::***\n"
    assert [told["event"] for told in bot.told] == ["masks"]


def test_a_stop_on_one_stream_stops_the_other() -> None:
    """The switch is the bot's; a value that was held back for a command which is none any more comes out whole."""
    bot = Bot()
    bot.out.write(b"::add-mask::value-1")
    bot.err.write(b"::stop-commands::tok\n")
    bot.out.write(b"23\n::error::x\n")
    assert bot.out.end() == b"::add-mask::value-123\n::error::x\n"
    assert bot.desk.annotations == ()


@pytest.mark.parametrize("size", [COMMAND_MAX_BYTES - 1, COMMAND_MAX_BYTES, COMMAND_MAX_BYTES + 1])
@pytest.mark.parametrize("command", [b"::add-mask::", b"::error::"])
def test_a_line_of_more_than_64_kib_is_no_command(command: bytes, size: int) -> None:
    """Nothing is held back for it longer than that; whole or in pieces, it is the same."""
    line = command + b"v" * (size - len(command))
    bots = []
    for step in (size + 1, 1000):
        bot = Bot()
        for at in range(0, size + 1, step):
            bot.out.write((line + b"\n")[at : at + step])
        bots.append((bot.out.end(), bot.desk.annotation_counts, bot.patterns.secrets))
    assert bots[0] == bots[1]
    is_command = bots[0][2] != () or bots[0][1] != {}
    assert is_command == (size <= COMMAND_MAX_BYTES)


def test_remarks_are_kept_without_secrets_and_counted() -> None:
    """The first 50, cut after masking; secrets that come later are out of them, too."""
    bot = Bot(b"secret-1")
    for number in range(60):
        bot.out.write(b"::error title=T%d secret-1::later-2 and %s\n" % (number, b"y" * TEXT_MAX))
    bot.err.write(b"::warning::x\n::add-mask::later-2\n")
    assert len(bot.desk.annotations) == 50
    first = bot.desk.annotations[0]
    assert (first.level, first.title) == (AnnotationLevel.ERROR, "T0 ***")
    assert first.text.startswith("*** and y")
    assert len(first.text) <= TEXT_MAX
    assert bot.desk.annotation_counts == {AnnotationLevel.ERROR: 60, AnnotationLevel.WARNING: 1}


def test_escapes_that_are_taken_out_leave_no_secret() -> None:
    """A percent-encoded secret in a value would be half decoded, which is no form that anybody looks for (found so)."""
    bot = Bot(b"50%<off>:now,\xff")
    escaped = b"50%25%3Coff%3E%3Anow%2C%FF"
    bot.out.write(b"::error title=%s::%s\n::progress percent=1::%s\n" % (escaped, escaped, escaped))
    assert bot.desk.annotations == (Remark(level=AnnotationLevel.ERROR, title="***", text="***"),)
    assert bot.desk.progress is not None
    assert bot.desk.progress.text == "***"


def test_where_the_command_itself_is_secret_nothing_of_its_line_is_told() -> None:
    """Its level counts; a text that could not be masked before its escapes were taken out is left out."""
    bot = Bot(b"50%off", b"::notice::")
    bot.out.write(b"::notice::50%25off\n")
    assert bot.desk.annotations == (Remark(level=AnnotationLevel.NOTICE, title="", text="***"),)


def test_who_masks_too_little_is_told() -> None:
    """A value that is too short to be masked is named as such, not passed over in silence."""
    bot = Bot()
    bot.out.write(b"::add-mask::ab\n::add-mask::   \n::add-mask::***\n")
    assert [(one.level, one.title) for one in bot.desk.annotations] == [(AnnotationLevel.WARNING, "add-mask")]
    assert bot.told == []


def test_progress_is_told_four_times_a_second_and_at_the_end() -> None:
    """Only the newest counts; nothing is due where nothing was said."""
    bot = Bot(b"secret-1")
    assert bot.desk.progress_due_ns is None
    bot.out.write(b"::progress percent=10::a\n::progress percent=20::of secret-1\n")
    assert bot.desk.progress_due_ns == 0
    bot.desk.tell_progress(1)
    bot.out.write(b"::progress::c\n")
    bot.desk.tell_progress(2)
    assert bot.desk.progress_due_ns == 1 + PROGRESS_EVERY_NS
    bot.desk.tell_progress(3, is_end=True)
    bot.desk.tell_progress(10**12)
    assert bot.told == [
        {"event": "progress", "percent": 20.0, "text": "of ***"},
        {"event": "progress", "percent": None, "text": "c"},
    ]


PARTS = st.one_of(
    st.sampled_from(
        [
            b"::add-mask::",
            b"::add-mask::alpha-1",
            b"::add-mask::beta%0Agamma-2",
            b"::ADD-MASK x=y::alpha-1\r",
            b"::stop-commands::tok",
            b"::tok::",
            b"::error::alpha-1",
            b"::warning title=a::b",
            b"::progress percent=1::alpha-1",
            b"alpha-1",
            b"gamma-2",
            b"alpha-",
            b"::",
            b":",
            b" ",
            b"\r",
            b"\n",
            b"\n",
            b"\n",
        ]
    ),
    st.binary(max_size=4),
)


@given(st.lists(PARTS, max_size=20), st.lists(st.integers(0, 400), max_size=20))
@example([b"::add-mask::alpha-1", b"\r", b"\r", b"\n", b"alpha-1"], [13])
def test_pieces_make_no_difference(parts: list[bytes], cuts: list[int]) -> None:
    """Random chunking changes neither what is stored, nor the remarks, nor the masks (S15)."""
    data = b"".join(parts)
    whole, cut = Bot(b"delta-4"), Bot(b"delta-4")
    whole.out.write(data)
    at = 0
    for end in [*sorted(cuts), len(data)]:
        cut.out.write(data[at:end])
        at = max(at, end)
    cut.out.write(data[at:])
    assert cut.out.end() == whole.out.end()
    assert cut.desk.annotations == whole.desk.annotations
    assert cut.patterns.secrets == whole.patterns.secrets
    assert cut.desk.progress == whole.desk.progress
    assert cut.told == whole.told


@given(st.lists(PARTS, max_size=20))
def test_ordinary_bytes_are_never_changed(parts: list[bytes]) -> None:
    """Without masks, what is stored is what was written."""
    data = b"".join(parts).replace(b"add-", b"sub-").replace(b"ADD-", b"SUB-")
    bot = Bot()
    bot.out.write(data)
    assert bot.out.end() == data


def test_the_last_errors_are_whole_lines() -> None:
    """At most 2 KiB; a single longer line is cut at its beginning; no colours, no control characters."""
    few, many, long = LastErrors(), LastErrors(), LastErrors()
    few.take(b"\x1b[1;31mred\x1b[0m\r\nbell\x07 \x1b]0;title\x07end\n\n")
    for number in range(1000):
        many.take(b"line %d\n" % number)
    long.take(b"x" * 5000)
    assert few.text() == "red\nbell end"
    lines = many.text().split("\n")
    assert lines[-1] == "line 999"
    assert all(line.startswith("line ") for line in lines)
    assert LAST_ERRORS_BYTES - 20 < len(many.text()) <= LAST_ERRORS_BYTES
    assert long.text() == "x" * LAST_ERRORS_BYTES
    assert LastErrors().text() == ""


def test_a_remark_says_its_level() -> None:
    """What stands in the exit file is what the line said."""
    bot = Bot()
    bot.out.write(b"::notice file=a.py,line=3::look%0Ahere\n")
    assert bot.desk.annotations == (Remark(level=AnnotationLevel.NOTICE, title="a.py:3", text="look\nhere"),)
