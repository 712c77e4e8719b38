"""What the handlers of the gateway share: the daemon, the clock, the settings and the way to the hub."""

from dataclasses import dataclass

from aiohttp import web

from agent.gateway.settings import GatewaySettings
from agent.gateway.under_way import UnderWay
from agent.gateway.upstream import Upstream
from agent.gateway_port import GatewayHost
from agent.ports.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The gateway's handlers work from here."""

    host: GatewayHost
    clock: Clock
    settings: GatewaySettings
    upstream: Upstream
    under_way: UnderWay


DESK = web.AppKey("desk", Desk)
