"""Where a setting's value comes from, and what is wrong with it, in words for the person who wrote it.

``agent.toml`` of the machine < of the home < ``BOTYARD_AGENT_…`` variables < the command's options: the later ones win.
"""

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

PREFIX = "BOTYARD_AGENT_"
HOME_VARIABLE = PREFIX + "HOME"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A value that somebody chose."""

    value: Any
    source: str
    """A file's path, a variable's name, or an option as it is typed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """All sources put together; unknown names are among them still."""

    given: Mapping[str, Given]
    faults: tuple[str, ...]
    notes: tuple[str, ...]


def variable(name: str) -> str:
    """The variable of a setting."""
    return PREFIX + name.upper()


def collect(
    paths: Sequence[Path], environment: Mapping[str, str], options: Mapping[str, Any], names: Sequence[str]
) -> Collected:
    """What the files, a later one before an earlier one, the variables and the options say of the settings `names`."""
    faults: list[str] = []
    given: dict[str, Given] = {}
    for path in paths:
        try:
            known = tomllib.loads(path.read_text("utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            continue  # whoever wants to write there will say what is wrong with the folder
        except (OSError, ValueError) as error:
            faults.append(f"{path} cannot be read: {error}")
            continue
        given |= {name: Given(value=value, source=str(path)) for name, value in known.items()}
    for name in names:
        if said := environment.get(variable(name)):
            given[name] = Given(value=said, source=variable(name))
    for name, value in options.items():
        given[name] = Given(value=value, source=f"--{name.replace('_', '-')}")
    return Collected(given=given, faults=tuple(faults), notes=tuple(_strangers(environment, names)))


def faults_of(error: ValidationError, given: Mapping[str, Given], names: Sequence[str]) -> dict[str, str]:
    """One sentence for each wrong setting, by its name; none of them repeats a value that may be a secret."""
    found: dict[str, str] = {}
    for fault in error.errors(include_input=False, include_url=False):
        name = str(fault["loc"][0])
        what = fault["msg"].removeprefix("Value error, ").replace("Input should be", "it must be")
        if fault["loc"][-1] == "[key]":
            what = (
                f"{str(fault['loc'][1])[:80]!r} is no application's name: say small letters, digits, '.', '_' and '-', "
                "63 at most, a letter or digit first"
            )
        if fault["type"] == "extra_forbidden":
            what = f"there is no such setting{_meant(name, names)}"
        found[name] = f"setting {name}: {what} (from {given[name].source})"
    return found


def _strangers(environment: Mapping[str, str], names: Sequence[str]) -> list[str]:
    known = [*map(variable, names), HOME_VARIABLE]
    strangers = sorted(name for name in environment if name.startswith(PREFIX) and name not in known)
    return [f"nobody reads the variable {name}{_meant(name, known)}" for name in strangers]


def _meant(name: str, names: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {close[0]}?" if close else ""
