"""What an automation wants of the desktop and the programs beside its bot, and what is kept of the screen."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent.wire.condition import APPLICATIONS_MAX, SIZE_FORM, pixels_of
from agent.wire.words import DesktopNeed
from hub.domain.parameters import Fault

_APPLICATION = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class DesktopWish:
    """Nothing said: the bot runs with or without a desktop, and a picture is kept where it fails on one."""

    desktop: DesktopNeed = DesktopNeed.ANY
    size: str = ""
    """``1920x1080`` exactly; empty where any does."""
    applications: tuple[str, ...] = ()
    """Programs that must be there, by the names that runners tell."""
    record: bool = False
    """A recording of its desktop is kept."""
    failure_screenshot: bool = True
    """A picture of its desktop is kept where it fails."""

    def stored(self) -> dict[str, Any] | None:
        """As a column has it; None where nothing is said."""
        if self == DesktopWish():
            return None
        return {
            "desktop": str(self.desktop),
            "size": self.size,
            "applications": list(self.applications),
            "record": self.record,
            "failure_screenshot": self.failure_screenshot,
        }

    @classmethod
    def read(cls, stored: Mapping[str, Any] | None) -> "DesktopWish":
        """What `stored` made."""
        if stored is None:
            return cls()
        return cls(
            **{
                **stored,
                "desktop": DesktopNeed(stored["desktop"]),
                "applications": tuple(stored["applications"]),
            }
        )


def faults_of(wish: DesktopWish) -> list[Fault]:
    """What is wrong with a wish, all at once."""
    faults = _faults_of_size(wish) + _faults_of_applications(wish.applications)
    if wish.record and wish.desktop is DesktopNeed.NONE:
        told = "a bot without a desktop shows nothing that could be recorded"
        faults.append(Fault(field="record", message=told, remedy="desktop any or required, or no record"))
    return faults


def _faults_of_size(wish: DesktopWish) -> list[Fault]:
    if not wish.size:
        return []
    faults = []
    if wish.desktop is not DesktopNeed.REQUIRED:
        told = f"a size is said, and desktop is {wish.desktop}"
        faults.append(Fault(field="desktop_size", message=told, remedy="desktop required, or no size"))
    if pixels_of(wish.size) is None:
        faults.append(Fault(field="desktop_size", message=f"{wish.size[:32]!r} is no size", remedy=f"say {SIZE_FORM}"))
    return faults


def _faults_of_applications(names: tuple[str, ...]) -> list[Fault]:
    faults = []
    if len(names) > APPLICATIONS_MAX:
        faults.append(Fault(field="applications", message=f"more than {APPLICATIONS_MAX}", remedy="give fewer"))
    remedy = "small letters, digits, . _ or -, 63 in all, as sap-gui; as the runner's settings call it"
    for index, name in enumerate(names):
        if not _APPLICATION.match(name):
            field = f"applications.{index}"
            faults.append(Fault(field=field, message=f"{name[:64]!r} is no name of an application", remedy=remedy))
        elif name in names[:index]:
            faults.append(
                Fault(field=f"applications.{index}", message=f"{name!r} is there twice", remedy="say it once")
            )
    return faults
