"""Settings of the daemon: one frozen value, from defaults, ``agent.toml`` of machine and home, environment, options.

Each field is one declaration: unit, default, help; the sample configuration and ``run --check-config`` are made of it.
One with ``repr=False`` is a secret. The environment's names are ``BOTYARD_AGENT_`` and the field's name in capitals;
``BOTYARD_AGENT_HOME`` is the home's.
"""

import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ByteSize, ConfigDict, Field, ValidationError

from agent.config_sources import HOME_VARIABLE, Given, collect, faults_of
from agent.errors import SetupError
from agent.fitness.facts import Wanted
from agent.output_room import GIB, Allowance
from agent.ports.files import Disk
from agent.wire.condition import APPLICATIONS_MAX, SIZE_FORM, ApplicationName, pixels_of
from agent.wire.names import SLOTS_MAX

_SIZE = re.compile(r"\d{1,9}(?:\.\d{1,3})?\s*[KMGT]i?B\Z", re.IGNORECASE)
MACHINE_FILE = Path("/etc/botyard-agent/agent.toml") if sys.platform == "linux" else None
"""Settings of every runner of this machine, below those of its home (`packaging.md` §3); a .deb brings it."""
CACHE_LIMIT_BYTES = 20 * 1024**3


def _with_unit(said: object) -> object:
    """A size without a unit is a mistake that would cost all environments."""
    if isinstance(said, str) and not _SIZE.match(said):
        said = None
    if not isinstance(said, str | ByteSize):
        raise ValueError("say a number with its unit, as 20 GiB")  # noqa: TRY004 - pydantic takes it for the answer
    return said


def _named(said: object) -> object:
    """A variable's ``name=path, name=path``."""
    if not isinstance(said, str):
        return said
    pairs = [pair.partition("=") for pair in said.split(",") if pair.strip()]
    return {name.strip(): path.strip() for name, _, path in pairs}


def _size_or_none(said: object) -> object:
    if said is not None and (not isinstance(said, str) or pixels_of(said) is None):
        raise ValueError(f"{str(said)[:32]!r} is no size: say {SIZE_FORM}")
    return said


def _slots_or_none(said: object) -> object:
    """A number, or a variable's text; pydantic's own words are for programmers."""
    if said is not None and (isinstance(said, bool) or not _is_up_to(said, SLOTS_MAX)):
        raise ValueError(f"{str(said)[:32]!r} is no number of them: say one from 0 to {SLOTS_MAX}")
    return said


def _is_up_to(said: object, most: int) -> bool:
    text = str(said).strip()
    return isinstance(said, int | str) and text.isdecimal() and len(text) < 10 and int(text) <= most


@dataclass(frozen=True, slots=True)
class Unit:
    """What a setting's value is counted in, or what it is."""

    name: str


_Size = Annotated[
    ByteSize, BeforeValidator(_with_unit), Unit("bytes, with a unit: KiB, MiB, GiB, TiB, or kB, MB, GB, TB")
]


class Settings(BaseModel):
    """What an administrator may choose. Unknown names are refused, so that a typing error is found."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    slots: Annotated[int | None, BeforeValidator(_slots_or_none), Unit("bots")] = Field(
        default=None, ge=0, le=SLOTS_MAX, examples=[1], description="bots at once; enrolment's number where not set"
    )
    mode: Annotated[Literal["service", "session"], Unit("word")] = Field(
        default="service",
        description="what bots find: service: a home of their own and few variables; session: this user's home and the "
        "session's variables, as SAP, Office and browser profiles need them",
    )
    ca: Annotated[str | None, Unit("path of a file")] = Field(
        default=None,
        examples=["ca.pem"],
        description="PEM file of a private authority, trusted beside the system's; from the home if relative",
    )
    proxy: Annotated[str | None, Unit("address")] = Field(
        default=None,
        repr=False,
        examples=["http://proxy.example.com:3128"],
        description="http://[user:password@]host:port on the way to the hub, or direct; HTTPS_PROXY where not set",
    )
    cache_limit: _Size = Field(
        default=ByteSize(CACHE_LIMIT_BYTES),
        description="disk for builds and environments together, as 20 GiB; what was used longest ago goes first",
    )
    keep_free: _Size = Field(
        default=ByteSize(GIB),
        description="what output leaves free of the disk, as 1 GiB; at most a tenth of a small disk",
    )
    keep_memory: _Size = Field(
        default=ByteSize(256 * 1024**2),
        description="memory below which no new work is taken, as 256 MiB; it must be short at two looks in a row",
    )
    clock_limit: Annotated[float, Unit("seconds")] = Field(
        default=60, gt=0, le=86400, description="how far the clock may be off the hub's before no new work is taken"
    )
    applications: Annotated[dict[ApplicationName, str], BeforeValidator(_named), Unit("programs by name")] = Field(
        default={},
        max_length=APPLICATIONS_MAX,
        examples=[{"sap": "/opt/sap/saplogon"}],
        description="what bots may ask for, with each program's path; a browser is found by itself, or named here; "
        "as a variable: sap=/opt/sap/saplogon, browser=/opt/browser",
    )
    output_limit: _Size = Field(
        default=ByteSize(10 * GIB),
        description="disk for output that the hub lacks, of all bots together; what is more is dropped and counted",
    )
    keep_output_hours: Annotated[float, Unit("hours")] = Field(
        default=24, ge=0, le=720, description="how long a bot's output stays here that the hub has, while there is room"
    )
    desktops: Annotated[Literal["auto", "own", "virtual", "none"], Unit("word")] = Field(
        default="auto",
        description="own: this session's, for slot 0; virtual: an X server for each slot; none: background bots only; "
        "auto: own in a session, virtual in a Linux service where an X server is installed",
    )
    desktop_count: Annotated[int | None, BeforeValidator(_slots_or_none), Unit("desktops")] = Field(
        default=None,
        ge=0,
        le=SLOTS_MAX,
        examples=[1],
        description="how many slots get a virtual desktop, from slot 0 on; the rest is for background bots; "
        "all where not set",
    )
    desktop_size: Annotated[str | None, Unit("pixels, width x height"), BeforeValidator(_size_or_none)] = Field(
        default=None,
        examples=["1920x1080"],
        description="of virtual desktops, 1920x1080 where not set; the session's own is told as unfit where it differs",
    )
    desktop_dpi: Annotated[int | None, Unit("dots per inch")] = Field(
        default=None,
        ge=48,
        le=480,
        examples=[96],
        description="of virtual desktops, 96 where not set; the session's own is told as unfit where it differs",
    )
    desktop_server: Annotated[Literal["auto", "xvnc", "xvfb"], Unit("word")] = Field(
        default="auto", description="what makes virtual desktops; auto: Xvnc, else Xvfb"
    )
    window_manager: Annotated[str, Unit("word or program")] = Field(
        default="auto",
        min_length=1,
        description="what runs in virtual desktops: a program's name or path, or none; auto: openbox where installed",
    )
    log_format: Annotated[Literal["text", "json"], Unit("word")] = Field(
        default="text", description="how the daemon's own log is written"
    )
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], Unit("word")] = Field(
        default="INFO", description="least level logged"
    )

    def allowance(self) -> Allowance:
        """What output may take of the disk."""
        return Allowance(
            output_bytes=self.output_limit, keep_free_bytes=self.keep_free, keep_s=self.keep_output_hours * 3600
        )

    def wanted(self) -> Wanted:
        """What the machine and its desktops are held against."""
        return Wanted(
            size=self.desktop_pixels(),
            dpi=self.desktop_dpi,
            memory_bytes=self.keep_memory,
            clock_s=self.clock_limit,
            applications=self.applications,
        )

    def desktop_pixels(self) -> tuple[int, int] | None:
        """Width and height that desktops should have; None where nothing is said."""
        return None if self.desktop_size is None else pixels_of(self.desktop_size)

    def authority(self, home: Path) -> Path | None:
        """The file of the private authority, if there is one."""
        return None if self.ca is None else home / self.ca


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What all sources together say, with everything that is wrong with it."""

    settings: Settings
    """Of those values that are right."""
    given: Mapping[str, Given]
    """Values and their sources by the setting's name; what is missing has its default."""
    faults: tuple[str, ...]
    """One sentence each, the setting and its source named; a daemon with one does not start."""
    wrong: frozenset[str]
    """Names of the settings whose values are among them."""
    notes: tuple[str, ...]
    """What is worth a look and stops nobody."""


def find_settings(
    home: Path, environment: Mapping[str, str], overrides: Mapping[str, Any], machine: Path | None = MACHINE_FILE
) -> Found:
    """Read all sources, the later ones winning, and tell every fault at once. `machine` is the file of all homes."""
    files = [*([] if machine is None else [machine]), home / "agent.toml"]
    collected = collect(files, environment, overrides, list(Settings.model_fields))
    values = {name: given.value for name, given in collected.given.items()}
    wrong: dict[str, str] = {}
    try:
        settings = Settings(**values)
    except ValidationError as error:
        wrong = faults_of(error, collected.given, list(Settings.model_fields))
        settings = Settings(**{name: value for name, value in values.items() if name not in wrong})
    return Found(
        settings=settings,
        given=collected.given,
        faults=(*collected.faults, *wrong.values()),
        wrong=frozenset(wrong),
        notes=collected.notes,
    )


def load_settings(home: Path, environment: Mapping[str, str], overrides: Mapping[str, Any]) -> Settings:
    """Read all sources, the later ones winning. Raises SetupError that names every wrong setting."""
    found = find_settings(home, environment, overrides)
    if found.faults:
        raise SetupError("; ".join(found.faults))
    return found.settings


def home_folder(argument: str | None, environment: Mapping[str, str]) -> Path:
    """The home: the argument, ``BOTYARD_AGENT_HOME``, or the platform's own. Raises SetupError."""
    chosen = argument or environment.get(HOME_VARIABLE)
    if chosen:
        try:
            return Path(chosen).expanduser().absolute()
        except RuntimeError as error:
            raise SetupError(f"{HOME_VARIABLE} {chosen!r}: {str(error).rstrip('.')}: name another folder") from None
    import platformdirs

    return Path(platformdirs.user_state_path("botyard-agent", appauthor=False))


def remember(home: Path, disk: Disk, name: str, value: str) -> None:
    """Write one setting to ``agent.toml`` of the home, durably; what else stands there stays as it is."""
    path = home / "agent.toml"
    known = (disk.read(path) or b"").decode("utf-8", "replace").splitlines()
    kept = [line for line in known if line.partition("=")[0].strip() != name]
    # A setting belongs before the first table; a JSON string is a TOML string.
    disk.write_durable(path, "\n".join([f"{name} = {json.dumps(value)}", *kept, ""]).encode())


def current_environment() -> Mapping[str, str]:
    """This process's environment."""
    return os.environ
