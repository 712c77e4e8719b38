"""Which line of a bot's stderr says why it failed (issue 3, part 2: "exit code 3: <last error line>")."""

import pytest

from hub.domain.error_line import ERROR_LINE_MAX, error_line

PYTHON = 'Traceback (most recent call last):\n  File "bot.py", line 3\n    login()\nLoginRefused: no such user\n'
NODE = "/bot/main.js:3\n  throw x\n  ^\n\nError: no page\n    at main (/bot/main.js:3:9)\n\nNode.js v18.19.0\n"
JAVA = 'Exception in thread "main" java.io.IOException: disk\n\tat Bot.main(Bot.java:5)\n'
SHELL = "reading list\nbot.sh: line 4: curl: command not found\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", ""),
        ("  \n\n", ""),
        (PYTHON, "LoginRefused: no such user"),
        (NODE, "Error: no page"),
        (JAVA, 'Exception in thread "main" java.io.IOException: disk'),
        (SHELL, "bot.sh: line 4: curl: command not found"),
        ("one\ntwo\n", "two"),
        ("  indented\n", "indented"),
    ],
)
def test_the_line_that_names_an_error_is_told(text: str, line: str) -> None:
    """Python, Node, Java and shells each put it elsewhere."""
    assert error_line(text) == line


def test_a_long_line_is_cut() -> None:
    """A message is read in a table."""
    line = error_line("error " * 200)
    assert len(line) == ERROR_LINE_MAX
    assert line.endswith("…")
