"""All checks in their order: each looks, then judges. What one found the next may need."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agent.config import Found, find_settings
from agent.desktops import DesktopFacts
from agent.desktops.choice import choose
from agent.desktops.making import host_here
from agent.doctor.checks import (
    authority,
    clock,
    daemon,
    desktop,
    disk,
    fitness,
    home,
    link,
    permissions,
    power,
    proxy,
    rights,
    settings,
)
from agent.doctor.checks import python as python_check
from agent.doctor.checks import uv as uv_check
from agent.doctor.finding import Finding
from agent.doctor.look.greeting import greet, manner_of
from agent.doctor.look.house import look_at_daemon, look_at_disk, look_at_home, look_at_rights
from agent.doctor.look.permissions import look_at_permissions
from agent.doctor.look.programs import look_at_programs
from agent.doctor.look.way import call_health, look_at_authority, look_at_link, look_at_proxy
from agent.doctor.ports import Ports
from agent.fitness.facts import MachineFacts
from agent.fitness.programs import barred_of
from agent.home import Membership


async def examine(path: Path, ports: Ports) -> list[Finding]:
    """Every line, in the order in which one would mend them. Raises nothing: what fails is a finding."""
    found = find_settings(path, ports.environment, {})
    home_facts, membership = look_at_home(path, ports)
    disk_facts = await asyncio.to_thread(look_at_disk, path, found.settings, ports)
    daemon_facts, said = await look_at_daemon(path, ports)
    return [
        home.judge(home_facts),
        *([rights.judge(look_at_rights(path))] if home_facts.exists else []),
        settings.judge(settings.SettingsFacts(faults=found.faults, notes=found.notes, chosen=len(found.given))),
        disk.judge(disk_facts),
        daemon.judge(daemon_facts),
        *await _way(Place(path=path, found=found, membership=membership), said, ports, is_running=daemon_facts.is_held),
        *await _machine(Place(path=path, found=found, membership=membership), said, ports),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The home and what stands in it."""

    path: Path
    found: Found
    membership: Membership | None


async def _way(place: Place, said: Mapping[str, Any], ports: Ports, *, is_running: bool) -> list[Finding]:
    """Proxy, authority, link and clock; `said` is what the daemon says of itself."""
    ca = place.found.settings.authority(place.path)
    proxy_facts, way = look_at_proxy(place.membership, place.found.settings)
    authority_facts = look_at_authority(way, ca, ports.clock.now())
    way = replace(way, ca=ca, fault=way.fault or authority_facts.fault)
    link_facts, clock_facts = await look_at_link(way, lambda: call_health(way, ports))
    if link_facts.status == 200 and place.membership is not None:
        manner = manner_of(said, is_running=is_running, is_owner=look_at_rights(place.path).is_owner)
        link_facts = await greet(place.path, place.membership, way, manner, ports)
        # The daemon's own session is the best proof that the hub lets it in.
        link_facts = replace(link_facts, is_let_in=link_facts.is_let_in or bool(said.get("linked")))
    return [
        proxy.judge(proxy_facts),
        authority.judge(authority_facts),
        link.judge(link_facts),
        clock.judge(clock_facts, place.found.settings.clock_limit),
    ]


async def _machine(place: Place, said: Mapping[str, Any], ports: Ports) -> list[Finding]:
    """What stands beside the runner: programs, memory, desktop, sleep."""
    wanted = place.found.settings.wanted()
    found = await asyncio.to_thread(ports.senses.programs, wanted.applications)
    barred = await asyncio.to_thread(barred_of, wanted.applications)
    machine_facts = MachineFacts(memory_bytes=ports.senses.memory_bytes(), found=found, barred=barred)
    python_facts, uv_facts = await look_at_programs(ports)
    desktop_facts = _told(said) or await _desktop(place, ports)
    granted = look_at_permissions()
    return [
        python_check.judge(python_facts),
        uv_check.judge(uv_facts),
        fitness.judge_memory(machine_facts, wanted),
        fitness.judge_applications(machine_facts, wanted),
        desktop.judge(desktop_facts),
        desktop.judge_resolution(desktop_facts, wanted),
        desktop.judge_lock(desktop_facts),
        *([permissions.judge(granted)] if granted is not None else []),
        power.judge(await ports.power(ports.environment, ports.tool)),
    ]


async def _desktop(place: Place, ports: Ports) -> DesktopFacts:
    """What bots would get: the session's, or a virtual one that is tried."""
    here = host_here(place.path)
    chosen = choose(place.found.settings, place.membership.slots if place.membership else 1, here)
    if chosen.virtual is None:
        return await ports.desktop(ports.environment, ports.tool)
    if chosen.faults:
        return DesktopFacts(kind="unknown", problem="; ".join(chosen.faults))
    return await ports.virtual(chosen.virtual, ports.disk)


def _told(said: Mapping[str, Any]) -> DesktopFacts | None:
    """The daemon's own desktop, which bots would get; None where no daemon of this version tells it."""
    try:
        return DesktopFacts(**said["desktop"])
    except (KeyError, TypeError):
        return None
