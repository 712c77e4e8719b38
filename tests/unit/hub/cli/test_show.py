"""What bots wrote, as a terminal may have it."""

import pytest

from hub.cli.show import one_line, plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ä 🤖 \xa0 text\twith\na break", "plain ä 🤖 \xa0 text\twith\na break"),
        ("\x1b[2J\x1b]0;owned\x07", "\ufffd[2J\ufffd]0;owned\ufffd"),
        ("done\rfailed", "done\ufffdfailed"),
        ("\x9b31m \u202etxt.exe \u2066", "\ufffd31m \ufffdtxt.exe \ufffd"),
    ],
)
def test_no_text_of_a_bot_moves_the_cursor(text: str, shown: str) -> None:
    """Escape sequences, carriage returns and letters that turn the others round become marks."""
    assert shown == plain(text)


def test_a_line_is_the_first_one_and_says_that_there_are_more() -> None:
    """Harmless, too."""
    assert "a\ufffd[1m …" == one_line("\n a\x1b[1m\nb\n")
    assert "" == one_line(" \n ")
