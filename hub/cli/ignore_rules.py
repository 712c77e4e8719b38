"""What stays out of a package: the rules of `.botyardignore`, else of `.gitignore`, read as git reads them (pure)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

ALWAYS = (".git/", ".hg/", ".svn/", "__pycache__/", "*.py[co]", ".DS_Store", "Thumbs.db")
"""Never part of a bot, whatever the rules say."""
SECRETS = (".env", ".env.*", "!.env.example", "!.env.sample", "!.env.template")
"""Left out because they mostly hold passwords, which a build would show to all who may read it. A line as `!.env`
in the rules of a folder takes one in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One line of a rules file in the folder `base` ('' is the root, else it ends with '/')."""

    base: str
    pattern: re.Pattern[str]
    is_exception: bool
    folders_only: bool

    def decides(self, path: str, *, is_folder: bool) -> bool:
        """Whether this line speaks of `path`."""
        if self.folders_only and not is_folder:
            return False
        return path.startswith(self.base) and self.pattern.match(path[len(self.base) :]) is not None


def parse(lines: Iterable[str], base: str = "") -> list[Rule]:
    """The rules in a file's lines, in order; comments, blank lines and nonsense left out."""
    return [rule for line in lines if (rule := _parse_line(line, base)) is not None]


def is_ignored(path: str, rules: Iterable[Rule], *, is_folder: bool) -> bool:
    """Whether the last rule that speaks of `path` leaves it out. Ask for folders first: below one all is out."""
    ignored = False
    for rule in rules:
        if rule.decides(path, is_folder=is_folder):
            ignored = not rule.is_exception
    return ignored


def _parse_line(line: str, base: str) -> Rule | None:
    text = re.sub(r"(?<!\\)\s+\Z", "", line.rstrip("\r\n"))
    if not text or text.startswith("#"):
        return None
    is_exception = text.startswith("!")
    text = text.removeprefix("!") if is_exception else text.removeprefix("\\")
    folders_only = text.endswith("/")
    text = text.rstrip("/")
    if not text:
        return None
    is_anchored = "/" in text
    expression = _translate(text.lstrip("/"))
    try:
        pattern = re.compile(expression + r"\Z" if is_anchored else rf"(?:.*/)?{expression}\Z")
    except re.error:
        return None
    return Rule(base=base, pattern=pattern, is_exception=is_exception, folders_only=folders_only)


def _translate(glob: str) -> str:
    """A regular expression for a git pattern: `*` and `?` stay within a name, `**` crosses folders."""
    token = re.compile(
        r"(?P<any>\*\*/)|(?P<rest>/\*\*\Z)|(?P<star>\*+)|(?P<one>\?)|(?P<set>\[[^\]/]+\])|(?P<escaped>\\.)"
    )
    parts: list[str] = []
    end = 0
    for found in token.finditer(glob):
        parts.append(re.escape(glob[end : found.start()]))
        end = found.end()
        match found.lastgroup:
            case "any":
                parts.append("(?:.*/)?")
            case "rest":
                parts.append("/.+")
            case "star":
                parts.append("[^/]*")
            case "one":
                parts.append("[^/]")
            case "set":
                parts.append(re.sub(r"\A\[!", "[^", found.group()).replace("\\", "\\\\"))
            case _:
                parts.append(re.escape(found.group()[1]))
    return "".join([*parts, re.escape(glob[end:])])
