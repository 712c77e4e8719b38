"""Settings of the daemon: one frozen value, from defaults, ``agent.toml`` of the home, environment, command line.

Each field is one declaration: unit in the name, default, help. The environment's names are ``BOTYARD_AGENT_`` and the
field's name in capitals; ``BOTYARD_AGENT_HOME`` is the home's.
"""

import json
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ByteSize, ConfigDict, Field, ValidationError

from agent.errors import SetupError
from agent.ports.files import Disk

PREFIX = "BOTYARD_AGENT_"
_SIZE = re.compile(r"\d{1,9}(?:\.\d{1,3})?\s*[KMGT]i?B\Z", re.IGNORECASE)
CACHE_LIMIT_BYTES = 20 * 1024**3


def _with_unit(said: object) -> object:
    """A size without a unit is a mistake that would cost all environments."""
    if isinstance(said, str) and not _SIZE.match(said):
        said = None
    if not isinstance(said, str | ByteSize):
        raise ValueError("say a number with its unit, as 20 GiB")  # noqa: TRY004 - pydantic takes it for the answer
    return said


class Settings(BaseModel):
    """What an administrator may choose. Unknown names are refused, so that a typing error is found."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    slots: int | None = Field(default=None, ge=0, le=64, description="bots at once; enrolment's number where not set")
    ca: str | None = Field(
        default=None,
        description="PEM file of a private authority, trusted beside the system's; from the home if relative",
    )
    proxy: str | None = Field(
        default=None,
        repr=False,
        description="http://[user:password@]host:port on the way to the hub, or direct; HTTPS_PROXY where not set",
    )
    cache_limit: Annotated[ByteSize, BeforeValidator(_with_unit)] = Field(
        default=ByteSize(CACHE_LIMIT_BYTES),
        description="disk for builds and environments together, as 20 GiB; what was used longest ago goes first",
    )
    log_format: Literal["text", "json"] = Field(default="text", description="how the daemon's own log is written")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", description="least level logged")

    def authority(self, home: Path) -> Path | None:
        """The file of the private authority, if there is one."""
        return None if self.ca is None else home / self.ca


def load_settings(home: Path, environment: Mapping[str, str], overrides: Mapping[str, Any]) -> Settings:
    """Read all sources, the later ones winning. Raises SetupError with one sentence that names the wrong setting."""
    values: dict[str, Any] = {**_from_file(home / "agent.toml"), **_from_environment(environment), **overrides}
    try:
        return Settings(**values)
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        raise SetupError(f"setting {'.'.join(map(str, fault['loc']))}: {fault['msg']}") from None


def home_folder(argument: str | None, environment: Mapping[str, str]) -> Path:
    """The home: the argument, ``BOTYARD_AGENT_HOME``, or the platform's folder for a user's state."""
    chosen = argument or environment.get(PREFIX + "HOME")
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_state_path("botyard-agent", appauthor=False))


def remember(home: Path, disk: Disk, name: str, value: str) -> None:
    """Write one setting to ``agent.toml`` of the home, durably; what else stands there stays as it is."""
    path = home / "agent.toml"
    known = (disk.read(path) or b"").decode("utf-8", "replace").splitlines()
    kept = [line for line in known if line.partition("=")[0].strip() != name]
    # A setting belongs before the first table; a JSON string is a TOML string.
    disk.write_durable(path, "\n".join([f"{name} = {json.dumps(value)}", *kept, ""]).encode())


def _from_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}  # whoever wants to write there will say what is wrong with the folder
    except (OSError, ValueError) as error:
        raise SetupError(f"{path} cannot be read: {error}") from None


def _from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    names = {PREFIX + name.upper(): name for name in Settings.model_fields}
    return {field: environment[name] for name, field in names.items() if environment.get(name)}


def current_environment() -> Mapping[str, str]:
    """This process's environment."""
    return os.environ
