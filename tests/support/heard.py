"""What a scripted hub keeps of one execution."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

from agent.wire.facts import Fact, Gap
from agent.wire.messages import Progress


@dataclass
class Heard:
    """What the hub knows of one execution."""

    facts: dict[int, Fact] = field(default_factory=dict)
    output: bytearray = field(default_factory=bytearray)
    gaps: list[Gap] = field(default_factory=list)
    progress: list[Progress] = field(default_factory=list)

    def kinds(self) -> list[str]:
        """Kinds of its facts, in their order."""
        return [self.facts[seq].body.kind for seq in sorted(self.facts)]

    def body(self, kind: str) -> Any:
        """The body of the fact of this kind, or None."""
        return next((fact.body for fact in self.facts.values() if fact.body.kind == kind), None)

    def sha256(self) -> str:
        """Of the output stored."""
        return hashlib.sha256(self.output).hexdigest()
