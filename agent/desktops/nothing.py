"""A runner of background bots only."""

from collections.abc import Callable, Mapping

from agent.desktops.port import Desktop


class NoDesktops:
    """No slot has a desktop."""

    shared: Mapping[str, str] = {}

    def of_slot(self, slot: int) -> Desktop | None:
        """No slot has one."""
        del slot
        return None

    def all(self) -> tuple[Desktop, ...]:
        """None."""
        return ()

    def hear(self, changed: Callable[[], None]) -> None:
        """Nothing ever changes."""

    async def take_over(self) -> None:
        """Nothing is there."""

    async def keep(self) -> None:
        """Nothing is kept."""

    def wake(self) -> None:
        """Nothing waits."""

    async def end(self, *, at_once: bool) -> None:
        """Nothing ends."""
