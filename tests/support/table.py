"""A table of situations and the sentence that each gets; printed, and checked row by row."""

import re
from dataclasses import dataclass, field

from tests.support.rig import Answer


@dataclass(slots=True)
class Sentences:
    """Collects rows; `check` fails with every row that was wrong, after all were tried."""

    rows: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def add(self, situation: str, answer: Answer, code: int, says: str) -> None:
        """One command that must end with `code` and one clear sentence on stderr that matches `says`."""
        text = answer.err.decode(errors="replace").strip()
        self.say(situation, text, says, lines=8)
        if answer.code != code:
            self.wrong.append(f"{situation}: exit {answer.code}, not {code}: {text}")

    def say(self, situation: str, text: str, says: str, lines: int = 8) -> None:
        """One text for a person."""
        shown = " / ".join(line.strip() for line in text.splitlines() if line.strip())
        self.rows.append(f"{situation:<38} {shown[:300]}")
        if not re.search(says, text, re.DOTALL):
            self.wrong.append(f"{situation}: does not say {says!r}: {text[-1500:]}")
        if "Traceback" in text or len(text.splitlines()) > lines:
            self.wrong.append(f"{situation}: not a sentence: {text[-1500:]}")

    def check(self) -> None:
        """Print the table. Raises AssertionError with all that was wrong."""
        print("\n" + "\n".join(self.rows))
        assert self.wrong == [], "\n\n".join(self.wrong)
