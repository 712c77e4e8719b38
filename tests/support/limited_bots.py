"""Bots within limits, as the daemon would have them run, with this machine's control groups or without any."""

import asyncio
import os
from dataclasses import replace

from agent.cgroups.choice import chosen
from agent.cgroups.groups import Group, open_procs, remove_group
from agent.daemon.limiting import bounds_of, cpus_of, make_groups, rlimits_of
from agent.shim.exit_file import ExitRecord
from agent.shim.order import Role, ShimOrder
from agent.wire.task import Limits
from tests.support.shims import Bot, ShimHome, python

NO_GROUPS = "no control group may be limited here"
"""Why a test is skipped where this machine has none (`tests/check/allowed_skips.txt`)."""


def is_removed(group: Group) -> bool:
    """Whether the group is gone; one that is empty by now is taken away."""
    remove_group(group)
    return not any(folder.exists() for folder in (*group.limits.values(), *([group.kill] if group.kill else [])))


class Limited:
    """Starts bots within limits, with the control groups of this machine or without any."""

    def __init__(self, home: ShimHome, *, with_groups: bool) -> None:
        self.home = home
        self.with_groups = with_groups
        self.groups: list[Group] = []

    async def start(self, code: str, limits: Limits, **changes: object) -> Bot:
        """Run Python code within limits, as the daemon would have it run."""
        order = self.home.order(python(code), **changes)
        order, descriptors = self._limit(order, limits)
        bot = await self.home.hand_over(order, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        return await bot.started()

    async def run(self, code: str, limits: Limits, **changes: object) -> ExitRecord:
        """Run it to its end."""
        async with asyncio.timeout(40):
            return await (await self.start(code, limits, **changes)).ends()

    def _limit(self, order: ShimOrder, limits: Limits) -> tuple[ShimOrder, tuple[int, ...]]:
        group, kept = Group(), frozenset[str]()
        if self.with_groups:
            group, kept = make_groups(order.execution_id, limits, chosen())
        self.groups.append(group)
        order = replace(
            order,
            bounds=bounds_of(limits, kept),
            groups={name: str(folder) for name, folder in group.limits.items()},
            rlimits=rlimits_of(limits, {}),
            cpus=cpus_of(limits, kept, order.execution_id),
            no_progress_s=limits.no_progress_s,
            run_limit_s=limits.run_limit_s,
        )
        if group.kill is None:
            return order, ()
        return replace(order, cgroup=str(group.kill), descriptors=(Role.CGROUP,)), (open_procs(group.kill),)
