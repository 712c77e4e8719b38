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
    "resource": PathParameter(about="A resource's label.", example="sap-licence"),
    "trigger": PathParameter(about="A trigger's label or id.", example="invoices-each-morning"),
    "calendar": PathParameter(about="A calendar's label or id.", example="bavaria"),
    "runner": PathParameter(about="A runner's name or id.", example="desk-1"),
    "slot": PathParameter(about="A slot of the runner, whose bots get this desktop; the first is 0.", example="0"),
    "window": PathParameter(about="A maintenance window's id.", example="wnd_0190f3a1c2d84b6e9f00112233445566"),
    "breaker": PathParameter(about="The application that a breaker guards.", example="sap"),
    "token": PathParameter(about="An enrolment token's id.", example="enr_0190f3a1c2d84b6e9f00112233445566"),
    "key": PathParameter(about="A key's id.", example="key_0190f3a1c2d84b6e9f00112233445566"),
    "report": PathParameter(about="A late report's id.", example="lrp_0190f3a1c2d84b6e9f00112233445566"),
    "artifact": PathParameter(about="An artifact's number.", example="17"),
    "queue": PathParameter(about="A queue's label or id.", example="invoices"),
    "item": PathParameter(about="An item's id.", example="itm_0190f3a1c2d84b6e9f00112233445566"),
    "file": PathParameter(about="The name of an item's file.", example="invoice.pdf"),
    "batch": PathParameter(about="A batch's id.", example="bat_0190f3a1c2d84b6e9f00112233445566"),
    "effect": PathParameter(about="The name that a bot gave a side effect.", example="pay"),
}
