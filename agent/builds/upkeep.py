"""What is done for shared things beside preparing them: see whether a run changed one, and keep to the disk limit.

Neither is on a task's way: a look comes a while after an end, one for many, and cleaning after a preparation.
"""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

from agent.builds.cleaner import Cleaner
from agent.builds.environments import Environments
from agent.builds.room import Entry
from agent.builds.uses import ENVIRONMENT, Uses

LOOK_AFTER_S = 2.0
"""A changed environment is noticed this long after the run that changed it has ended."""
LOOK_EVERY_S = 10.0
"""One look serves all runs of this time: it costs some 20 ms for an environment of 2,000 files."""

_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Upkeep:
    """Call on the daemon's event loop; times are the loop's."""

    uses: Uses
    environments: Environments
    cleaner: Cleaner
    _due: dict[str, float] = field(default_factory=dict)
    _looked: dict[str, float] = field(default_factory=dict)

    def ended(self, execution_id: str, now: float) -> frozenset[str]:
        """An execution uses nothing any more; the environments among what it used will be looked at."""
        names = self.uses.end(execution_id)
        keys = frozenset(name.partition("/")[2] for name in names if name.startswith(f"{ENVIRONMENT}/"))
        for key in keys - self._due.keys():
            self._due[key] = max(now + LOOK_AFTER_S, self._looked.get(key, now - LOOK_EVERY_S) + LOOK_EVERY_S)
        return keys

    def next_look(self) -> float | None:
        """When there is something to look at."""
        return min(self._due.values(), default=None)

    async def look(self, now: float) -> frozenset[str]:
        """Look at what is due; the environments that a run has changed, which are ready no longer."""
        changed = set()
        for key in [key for key, due in self._due.items() if due <= now]:
            del self._due[key]
            self._looked[key] = now
            try:
                is_changed = await asyncio.to_thread(self.environments.drop_if_changed, key)
            except OSError as error:
                _log.warning("environment %s could not be looked at: %s", key, error)
                continue
            if is_changed:
                _log.warning("environment %s was changed by a run; it is made again", key)
                changed.add(key)
        return frozenset(changed)

    async def choose(self, in_use: frozenset[str]) -> list[Entry]:
        """What should go to keep to the limit."""
        try:
            return await asyncio.to_thread(self.cleaner.choose, in_use)
        except OSError as error:
            _log.warning("what takes room could not be looked at: %s", error)
            return []

    async def remove(self, entries: Iterable[Entry]) -> None:
        """Remove what was chosen, and is in use by nobody."""
        await asyncio.to_thread(self.cleaner.remove, list(entries))
