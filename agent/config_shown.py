"""Settings for people: the sample configuration, and what is in force here and why (`packaging.md` §8).

Both are read off the model `Settings`, so that neither can say anything else than it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import ByteSize
from pydantic.fields import FieldInfo

from agent.config import Found, Settings, Unit
from agent.config_sources import HOME_VARIABLE, variable
from agent.errors import SetupError
from agent.home import Membership
from agent.link import parse_address, proxy_to, tls_context

_SIZES = (("TiB", 1024**4), ("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024))
_SECRET = "set, not shown"  # noqa: S105 - what stands in its place
_OF_HOME = "a file agent.toml in the runner's home."
_OF_MACHINE = """for every runner of this machine. What agent.toml in a runner's home says
# wins. Everybody here can read this file: an address with a password in it belongs in the one of the home."""
_HEAD = f"""\
# Settings of botyard-agent: %s
# Each line shows its default, or an example where nothing is set; take the # away to change it.
# A variable wins over this file, an option of the command over both. The home itself is --home or
# {HOME_VARIABLE}. What is in force: botyard-agent run --check-config
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One setting as it is in force."""

    name: str
    value: str
    source: str


def sample(*, machine: bool = False) -> str:
    """The sample configuration of a home or of the machine: each setting's meaning, unit, variable and default."""
    return _HEAD % (_OF_MACHINE if machine else _OF_HOME) + "".join(
        _entry(name, field) for name, field in Settings.model_fields.items()
    )


def _entry(name: str, field: FieldInfo) -> str:
    default = None if field.default is None else _toml(field.default)
    shown = default or _toml((field.examples or [""])[0])
    says = f"{field.description}\nunit: {unit_of(field)}; variable: {variable(name)}; default: {default or 'not set'}"
    return "".join(f"\n# {line}" for line in says.splitlines()) + f"\n# {name} = {shown}\n"


def unit_of(field: FieldInfo) -> str:
    """What a setting is counted in, and its bounds or its words."""
    unit = next(one.name for one in field.metadata if isinstance(one, Unit))
    if get_origin(field.annotation) is Literal:
        return f"one of {', '.join(get_args(field.annotation))}"
    least, above, most = (
        next((getattr(one, end) for one in field.metadata if hasattr(one, end)), None) for end in ("ge", "gt", "le")
    )
    if most is None:
        return unit
    return f"{unit}, {least} to {most}" if above is None else f"{unit}, more than {above}, to {most}"


def in_force(home: Path, home_source: str, found: Found, membership: Membership | None) -> list[Row]:
    """What counts here, and where each value comes from. Secrets are not among it."""
    rows = [Row(name="home", value=str(home), source=home_source)]
    for name, field in Settings.model_fields.items():
        given = found.given.get(name)
        if given is not None and name in found.wrong:
            rows.append(Row(name=name, value="wrong", source=given.source))
        elif given is not None:
            value = _SECRET if not field.repr else _toml(getattr(found.settings, name))
            rows.append(Row(name=name, value=value, source=given.source))
        elif name == "slots" and membership is not None:
            rows.append(Row(name=name, value=str(membership.slots), source="enrolment"))
        else:
            value = "not set" if field.default is None else _toml(field.default)
            rows.append(Row(name=name, value=value, source="default"))
    return rows


def faults_beyond(home: Path, found: Found, membership: Membership | None) -> Iterator[str]:
    """What is well written and can't be used all the same: a daemon would end with 78."""
    yield from _faults_of_desktops(home, found, membership)
    try:
        tls_context(found.settings.authority(home))
    except SetupError as error:
        yield f"setting ca: {error}"
    # Of a home that is no runner yet the hub's address is not known: the setting alone is tried.
    url, is_insecure = (membership.hub_url, membership.insecure) if membership else ("https://hub.invalid", False)
    try:
        address = parse_address(url, insecure=is_insecure)
        proxy_to(address, found.settings.proxy)
    except SetupError as error:
        yield str(error)


def _faults_of_desktops(home: Path, found: Found, membership: Membership | None) -> Iterator[str]:
    from agent.desktops.choice import choose
    from agent.desktops.making import host_here

    said, enrolled = found.settings.slots, membership.slots if membership else 1
    yield from choose(found.settings, enrolled if said is None else said, host_here(home)).faults


def text_of(rows: list[Row], notes: tuple[str, ...]) -> str:
    """The rows as columns, the notes below them."""
    names, values = max(len(row.name) for row in rows), max(len(row.value) for row in rows)
    lines = [f"{row.name:{names}}  {row.value:{values}}  {row.source}" for row in rows]
    return "\n".join([*lines, *(f"note: {note}" for note in notes)])


def home_source(argument: str | None, environment: Mapping[str, str]) -> str:
    """What chose the home."""
    return "--home" if argument else HOME_VARIABLE if environment.get(HOME_VARIABLE) else "default"


def _toml(value: Any) -> str:
    """As it is written in the file; a size in the largest unit that leaves no rest."""
    if isinstance(value, ByteSize):
        unit, size = next(((unit, size) for unit, size in _SIZES if value % size == 0), ("kB", 1000))
        return f'"{value / size:.10g} {unit}"'
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(name)} = {json.dumps(said)}' for name, said in value.items())}}}"
    return json.dumps(value)
