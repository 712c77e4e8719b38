"""Bars in a terminal, plain lines in a pipe, nothing for scripts (issue 3, part 6)."""

import io

from hub.cli.progress import Progress
from hub.cli.scripted import SCRIPTED


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """So bars are drawn."""
        return True


def test_a_pipe_gets_one_line_for_each_new_thing() -> None:
    """A log of CI must not fill with percents: a tenth, or other words."""
    progress = Progress(stream=(out := io.StringIO()))
    for percent in range(101):
        progress.set("upload bot.zip", percent / 100, f"{percent} of 100 MiB")
    progress.set("prepare on vm1", 0.5, "installing")
    progress.set("prepare on vm1", 0.5, "installing")
    progress.tell("ready")
    progress.tell("ready")
    lines = out.getvalue().splitlines()
    assert "upload bot.zip  0%  0 of 100 MiB" == lines[0]
    assert 11 == sum(line.startswith("upload") for line in lines)
    assert ["prepare on vm1  50%  installing", "ready"] == lines[11:]


def test_a_terminal_redraws_its_bars_below_what_was_told() -> None:
    progress = Progress(stream=(out := Terminal()))
    progress.set("prepare on vm1", 0.5, "installing")
    assert "prepare on vm1  [##########··········]  50%  installing\n" == out.getvalue()
    progress.set("prepare on vm2", None, "asked for")
    progress.tell("released")
    drawn = out.getvalue()
    assert drawn.endswith("asked for\n")
    assert "\x1b[2F\x1b[Jreleased\n" in drawn
    progress.end()
    assert out.getvalue().count("asked for") >= 2  # what stood last stays on the screen
    progress.set("next", 1.0)
    assert out.getvalue().endswith("next  [####################] 100%\n")


def test_a_script_hears_nothing() -> None:
    token = SCRIPTED.set(True)
    try:
        progress = Progress(stream=(out := io.StringIO()))
        progress.set("upload", 0.5)
        progress.tell("ready")
    finally:
        SCRIPTED.reset(token)
    assert "" == out.getvalue()
