"""What the names in paths mean; one list, so that each means the same everywhere."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PathParameter:
    """One ``{name}``."""

    about: str
    example: str


PATH_PARAMETERS: dict[str, PathParameter] = {
    "task": PathParameter(
        about="A task's id, or its number: then the newest round.", example="tsk_0190f3a1c2d84b6e9f00112233445566"
    ),
    "automation": PathParameter(about="An automation's label or id.", example="invoices"),
    "bot": PathParameter(about="A bot's name.", example="invoices"),
    "build": PathParameter(about="A build's id or version.", example="1.2.0"),
    "runner": PathParameter(about="A runner's name or id.", example="desk-1"),
    "token": PathParameter(about="An enrolment token's id.", example="enr_0190f3a1c2d84b6e9f00112233445566"),
    "key": PathParameter(about="A key's id.", example="key_0190f3a1c2d84b6e9f00112233445566"),
    "artifact": PathParameter(about="An artifact's number.", example="17"),
}
