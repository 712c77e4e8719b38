"""From an order to its verdict: folder, work folder, command, idle shim (`core.md` D1, D7).

Whatever cannot be done before the hand-over voids the order with its reason. From the hand-over on only the verdict
counts: the shim's, or after 30 s or its death our own.
"""

import asyncio
import errno
import hashlib
import json
import logging
import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from agent.builds_port import BuildMissingError, CannotLaunchError, LaunchPlan, LaunchRequest
from agent.cgroups.groups import open_procs
from agent.daemon import output_room
from agent.daemon.house import House, shim_stamp
from agent.daemon.limiting import bounds_of, cpus_of, make_groups, rlimits_of
from agent.desktops.given import variables_for
from agent.execution import Phase
from agent.execution_events import CannotStart, HandedOver
from agent.folders import StoredOrder, write_order
from agent.gateway import own_api_url, server_url
from agent.shim.client import ShimGone
from agent.shim.order import LadderTimes, Role, ShimOrder
from agent.shim.order import Stamp as ShimStamp
from agent.shims_port import IdleShim, RunningShim, ZygoteGone
from agent.wire.limits import CREDIT_AGE_MAX_S
from agent.wire.messages import Start
from agent.wire.task import Work
from agent.wire.words import OnDisconnect, VoidReason

if TYPE_CHECKING:
    from agent.daemon.keeper import Keeper

log = logging.getLogger(__name__)
TOKEN_PREFIX = "byr_"  # noqa: S105 - what a bot's token begins with, not a secret


def order_of(start: Start, boot_id: str) -> StoredOrder:
    """What is kept of a `Start` until its shim is chosen."""
    return StoredOrder(
        execution_id=start.execution_id,
        task_id=start.task_id,
        fence=start.fence,
        boot_id=boot_id,
        slot=start.permit.slot,
        work=start.work,
    )


async def hand_over(keeper: "Keeper", start: Start) -> None:
    """Bring the order to a shim and wait for the verdict; ends with an event for the keeper in every case."""
    try:
        async with asyncio.timeout(CREDIT_AGE_MAX_S):
            running = await _prepare(keeper, start)
    except BuildMissingError as error:
        keeper.post(CannotStart(reason=VoidReason.BUILD_GONE, message=str(error)))
    except CannotLaunchError as error:
        keeper.post(CannotStart(reason=VoidReason.UNFIT, message=str(error)))
    except TimeoutError:
        keeper.post(CannotStart(reason=VoidReason.STALE, message="the work folder was not ready in time"))
    except (ShimGone, ZygoteGone) as error:
        keeper.post(CannotStart(reason=VoidReason.SHIM_GONE, message=str(error)))
    except OSError as error:
        if error.errno == errno.EIO:
            raise  # What is believed to be durable may not be: the daemon ends (G9), and the next one voids this.
        log.error("%s cannot be started: %s", keeper.execution_id, error)  # noqa: TRY400
        keeper.post(CannotStart(reason=VoidReason.UNFIT, message=error.strerror or "disk"))
    except Exception:
        # The rim of one order: what is wrong with it must not end the daemon that keeps the others. No shim has it.
        log.exception("%s cannot be started", keeper.execution_id)
        keeper.post(CannotStart(reason=VoidReason.UNFIT, message="internal error, see the runner's log"))
    else:
        if running is not None:
            await _await_verdict(keeper, running)


async def _await_verdict(keeper: "Keeper", running: RunningShim) -> None:
    keeper.post(HandedOver())
    try:
        keeper.saw(await running.verdict(keeper.house.verdicts))
    finally:
        keeper.house.benches.let_go(running)


async def _prepare(keeper: "Keeper", start: Start) -> RunningShim | None:
    """Everything before a shim has the order. None when it was voided meanwhile."""
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    cap_bytes = output_room.cap_for(keeper, start.work.limits.output_bytes)
    keeper.order = keeper.order.model_copy(update={"output_cap_bytes": cap_bytes})
    desktop = await variables_for(keeper.house.desktops, start.permit.slot, start.work.desktop)
    # One hop for all of it: each costs as much as what is done in it.
    plan, order = await asyncio.to_thread(_lay_out, keeper, _request(keeper, start, token, desktop), start)
    # Limits may have been changed meanwhile.
    keeper.order = order.model_copy(update={"limits": keeper.order.limits})
    masks = (token.encode(), *secret_values(start.work))
    keeper.masks.add(masks)
    keeper.masks_known = True
    unfit = await keeper.house.fitness.before_start(start.permit.slot, start.work)
    if unfit:
        raise CannotLaunchError(unfit)
    shim = await keeper.house.benches.take(start.permit.slot)
    if keeper.value.phase is not Phase.ORDERED:
        shim.close()
        return None
    return _give(keeper, shim, shim_order(keeper, start, plan, masks))


def _lay_out(keeper: "Keeper", request: LaunchRequest, start: Start) -> tuple[LaunchPlan, StoredOrder]:
    """The execution's folder with all that is in it before a shim has the order. Blocks."""
    keeper.house.disk.make_folder(keeper.folder)
    plan = keeper.house.builds.launch(request)
    return plan, _write_order(keeper, start, plan, request.token)


def _write_order(keeper: "Keeper", start: Start, plan: LaunchPlan, token: str) -> StoredOrder:
    """Make the bot's control groups with their limits, then the order durable."""
    group, kept = make_groups(keeper.execution_id, start.work.limits, keeper.house.shims.hierarchies)
    order = keeper.order.model_copy(
        update={
            "nonce": secrets.token_hex(16),
            "token_sha256": hashlib.sha256(token.encode()).hexdigest(),
            "artifacts": tuple(str(path) for path in plan.artifacts),
            "result": str(plan.result) if plan.result else None,
            "cgroup": str(group.kill) if group.kill else None,
            "groups": {name: str(folder) for name, folder in group.limits.items()},
            "kept": tuple(sorted(kept)),
        }
    )
    write_order(keeper.folder, order, keeper.house.disk)
    return order


def _give(keeper: "Keeper", shim: IdleShim, order: ShimOrder) -> RunningShim:
    """No await from the look at the phase to here."""
    gateway = keeper.house.gateway_socket
    with ExitStack() as held:
        descriptors: list[int] = []
        roles: list[Role] = []
        if gateway is not None and sys.platform != "win32":  # there a port of the home is bound again
            roles.append(Role.GATEWAY)
            descriptors.append(gateway.fileno())
        if order.cgroup is not None:
            procs = open_procs(Path(order.cgroup))
            held.callback(os.close, procs)
            roles.append(Role.CGROUP)
            descriptors.append(procs)
        return shim.hand_over(replace(order, descriptors=tuple(roles)), tuple(descriptors))


def _request(keeper: "Keeper", start: Start, token: str, desktop: Mapping[str, str]) -> LaunchRequest:
    gateway = keeper.house.gateway_socket
    return LaunchRequest(
        execution_id=start.execution_id,
        task_id=start.task_id,
        folder=keeper.folder,
        slot=start.permit.slot,
        work=start.work,
        server_url=server_url(gateway) if gateway else "",
        api_url=own_api_url(gateway) if gateway else "",
        token=token,
        desktop=desktop,
    )


def secret_values(work: Work) -> tuple[bytes, ...]:
    """Texts of secret parameters, as they may appear in an output: every text and number, however deep it stands."""
    found = (work.task.parameters.get(name) for name in work.secret_parameters)
    texts = (text for value in found for text in _texts(value))
    return tuple(text.encode("utf-8", "surrogatepass") for text in texts)


def _texts(value: JsonValue) -> Iterator[str]:
    match value:
        case None | bool() | "":
            return
        case str():
            yield value
        case int() | float():
            yield json.dumps(value)
        case list():
            for part in value:
                yield from _texts(part)
        case dict():
            for part in value.values():
                yield from _texts(part)


def shim_order(keeper: "Keeper", start: Start, plan: LaunchPlan, masks: tuple[bytes, ...]) -> ShimOrder:
    """The shim's order: everything that it must know to outlive this daemon."""
    limits, ladder = start.work.limits, start.work.limits.ladder
    return ShimOrder(
        execution_id=start.execution_id,
        fence=start.fence,
        nonce=keeper.order.nonce,
        folder=str(keeper.folder),
        argv=plan.argv,
        env=plan.env,
        cwd=str(plan.cwd),
        permit=shim_stamp(start.permit.stamp),
        masks=masks,
        lines=start.work.build.launch.lines,
        run_limit_s=limits.run_limit_s,
        ladder=LadderTimes(
            interrupt_after_s=ladder.interrupt_after_s,
            terminate_after_s=ladder.terminate_after_s,
            kill_after_s=ladder.kill_after_s,
            survivors_after_s=ladder.survivors_after_s,
        ),
        on_disconnect=start.work.on_disconnect,
        lost_after_s=limits.lost_after_s,
        heartbeat=_heartbeat(keeper.house, start),
        no_progress_s=limits.no_progress_s,
        bounds=bounds_of(limits, frozenset(keeper.order.kept)),
        cgroup=keeper.order.cgroup,
        comes_back=sys.platform == "linux",
        groups=keeper.order.groups,
        cpus=cpus_of(limits, frozenset(keeper.order.kept), start.execution_id),
        rlimits=rlimits_of(limits, plan.rlimits),
        output_cap_bytes=keeper.kept.cap_bytes,
        keep_free_bytes=keeper.house.keep_free_bytes,
    )


def _heartbeat(house: House, start: Start) -> ShimStamp | None:
    """Where the dead-man deadline counts from; the permit's stamp is one that the hub has seen, too."""
    if start.work.on_disconnect is not OnDisconnect.STOP:
        return None
    acked = house.heartbeat
    if acked is None or acked.boot_ns < start.permit.stamp.boot_ns:
        return shim_stamp(start.permit.stamp)
    return shim_stamp(acked)
