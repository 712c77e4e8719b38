"""What is known of one execution's files while its daemon lives."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from agent.wire.facts import ArtifactFact, Fact


@dataclass(slots=True, kw_only=True)
class Brought:
    """Which files the hub has, as the spooled facts say, and that one round of bringing goes on at a time."""

    stored: dict[str, str] = field(default_factory=dict)
    """Name to sha256 of the newest version that is a fact."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    is_asked: bool = False
    """Another round is wanted after the one that goes on."""

    def recall(self, facts: Iterable[Fact]) -> None:
        """Take over what an earlier daemon spooled: it is not brought again."""
        for fact in facts:
            if isinstance(fact.body, ArtifactFact):
                self.stored[fact.body.name] = fact.body.sha256
