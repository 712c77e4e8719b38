"""The first frames of a link: does the hub prove that it is the one of the enrolment, and does it let this runner in?

The proof costs nothing and is asked for beside a running daemon, too. The runner's own hello opens a session, as each
start of a daemon does, and needs the next join counter: only where no daemon has the home's lock, and only as the
home's owner, since a counter that another user wrote would keep the daemon out. No inventory is told in it, so the hub
concludes nothing from what was not named (`core.md` D8).
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from agent.daemon.root import agent_version
from agent.doctor.checks.link import LinkFacts
from agent.doctor.look.way import Way
from agent.doctor.ports import Ports
from agent.errors import AgentError
from agent.handshake import Handshake
from agent.home import Home, Membership
from agent.keys import proofs
from agent.link import Address, Link, LinkClosedError, make_nonce, tls_context, why_unreached
from agent.session_effects import CloseLink, CloseReason, Identity, Joining, Send, TakeInventory
from agent.wire.codec import ProtocolError, decode_to_runner, encode
from agent.wire.limits import HANDSHAKE_S

_SIDE = "the daemon that runs here knows"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How far the greeting may go."""

    may_join: bool
    why_not: str = ""


async def greet(home: Path, membership: Membership, way: Way, manner: Manner, ports: Ports) -> LinkFacts:
    """Dial, have the hub prove itself, say hello where that is allowed; the facts that this adds."""
    assert way.address is not None
    facts = LinkFacts(origin=way.address.origin, status=200)
    locked: Home | None = None
    try:
        if manner.may_join:
            locked = Home.lock(home, ports.disk)
        identity, joining = _identity(home, membership, way.address, ports), _joining(locked)
        tls = tls_context(way.ca) if way.address.is_secure else None
        link = await ports.dial(way.address, joining.runner_nonce, tls, way.proxy)
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                own = Home(home, ports.disk, None, ports.machine)
                handshake = Handshake(identity, joining, proofs(own.private_key()))
                return await _shake_hands(link, handshake, facts, manner)
        finally:
            await link.close("doctor")
    except (LinkClosedError, OSError, TimeoutError) as error:
        why = why_unreached(error, way.address, way.proxy)
        return replace(facts, unreached=f"{way.address.origin}: {why or 'no handshake within the time'}")
    except AgentError as error:
        return replace(facts, not_asked=str(error))
    except ProtocolError as error:
        return replace(facts, unproven=f"what answers there speaks another protocol: {error}")
    finally:
        if locked is not None:
            locked.release()


async def _shake_hands(link: Link, handshake: Handshake, facts: LinkFacts, manner: Manner) -> LinkFacts:
    while True:
        frame = await link.receive()
        if not isinstance(frame, str):
            raise ProtocolError("a binary frame")
        for effect in handshake.receive(decode_to_runner(frame)):
            match effect:
                case Send(message=hello) if manner.may_join:
                    await link.send(encode(hello))
                case Send():
                    return replace(facts, not_asked=manner.why_not)
                case TakeInventory():
                    return replace(facts, is_let_in=True)
                case CloseLink(reason=CloseReason.WRONG_HUB | CloseReason.VERSION):
                    return replace(facts, unproven=effect.message)
                case CloseLink():
                    return replace(facts, refused=effect.message, is_final=effect.final)
                case _:
                    pass


def _joining(locked: Home | None) -> Joining:
    if locked is None:
        return Joining(join=1, last_epoch=0, commit_position=0, runner_nonce=make_nonce())
    return Joining(join=locked.next_join(), last_epoch=locked.last_epoch, commit_position=0, runner_nonce=make_nonce())


def _identity(home: Path, membership: Membership, address: Address, ports: Ports) -> Identity:
    own = Home(home, ports.disk, None, ports.machine)
    return Identity(
        runner_id=membership.runner_id,
        hub_id=membership.hub_id,
        hub_key=membership.hub_key,
        home_id=own.home_id(),
        boot_id=ports.machine.boot_id(),
        fingerprint=own.fingerprint(),
        origin=address.origin,
        agent_version=agent_version(),
        platform=ports.machine.describe(),
        slots=membership.slots,
    )


def manner_of(said: Mapping[str, object], *, is_running: bool, is_owner: bool) -> Manner:
    """Beside a daemon, or as another user, no hello is said: the daemon's own word counts then, or nothing is known."""
    if is_running:
        why = str(said.get("problem") or "") if said else "it does not answer"
        return Manner(may_join=False, why_not=f"{_SIDE} ({why or 'not linked'})")
    if not is_owner:
        return Manner(may_join=False, why_not="only the home's owner may ask")
    return Manner(may_join=True)
