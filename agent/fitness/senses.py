"""The machine's own readings, beside its desktops, its disk and its clock; tests give others."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from agent.fitness.programs import found_of


class Senses(Protocol):
    """Calls may block for a moment, and never raise."""

    def memory_bytes(self) -> int | None:
        """What programs could still have without swapping; None where it is not told."""
        ...

    def programs(self, applications: Mapping[str, str]) -> frozenset[str]:
        """Which of these are there, and whether a browser is."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemSenses:
    """Those of this machine."""

    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def memory_bytes(self) -> int | None:
        """As the system counts it."""
        import psutil

        try:
            return int(psutil.virtual_memory().available)
        except (OSError, psutil.Error, RuntimeError):
            return None

    def programs(self, applications: Mapping[str, str]) -> frozenset[str]:
        """By looking at files."""
        return found_of(applications, self.environment)
