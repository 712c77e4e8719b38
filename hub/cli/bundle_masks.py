"""Takes secrets out of what is written for others: known ones by their text, unknown ones by how they look."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

HIDDEN = "••••••"
_LEAST = 6
"""A shorter text stands everywhere by chance."""
_SECRET_NAMES = re.compile(r"token|secret|password|passwd|pwd|key|credential|cookie|authorization", re.IGNORECASE)
_LOOKS = (
    re.compile(r"\bby[a-z]_[A-Za-z0-9_\-]{8,}"),  # our own tokens (`hub.domain.access.SecretKind`)
    re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"),  # user:password of an address
    re.compile(r"(?i)(?<=bearer )[A-Za-z0-9._~+/\-]{8,}=*"),
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
)


@dataclass(slots=True)
class Masks:
    """What is taken out."""

    known: set[str] = field(default_factory=set)

    def add(self, secrets: Iterable[str | None]) -> None:
        """Texts that must not leave, whatever they look like."""
        self.known |= {one.strip() for one in secrets if one and len(one.strip()) >= _LEAST}

    def text(self, value: str) -> str:
        """The text without secrets."""
        for secret in sorted(self.known, key=len, reverse=True):
            value = value.replace(secret, HIDDEN)
        for looks in _LOOKS:
            value = looks.sub(HIDDEN, value)
        return value

    def environment(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Variables of ours, those with a secret's name without their value."""
        ours = {name: value for name, value in environment.items() if name.startswith("BOTYARD_")}
        self.add(value for name, value in ours.items() if is_secret_name(name))
        return {name: HIDDEN if is_secret_name(name) else value for name, value in ours.items()}


def is_secret_name(name: str) -> bool:
    """Whether what has this name is nobody's business."""
    return _SECRET_NAMES.search(name) is not None


def without_values(task: Mapping[str, Any]) -> dict[str, Any]:
    """A task as it may leave: names of its parameters and outputs, not what they hold."""
    named = [member for member in ("parameters", "outputs") if isinstance(task.get(member), dict)]
    hidden = {member: sorted(task[member]) for member in named}
    return {**task, **hidden, "summary": None if task.get("summary") is None else HIDDEN}
