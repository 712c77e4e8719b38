"""What a proxy in front says of the caller, believed only from the addresses that `--trusted-proxy` names.

Nobody else's ``X-Forwarded-*`` means anything: a runner's address and the name that it dialled would be whatever it
says. The last entry of each list counts: it is the one that our own proxy wrote.
"""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

Network = IPv4Network | IPv6Network


def parse_networks(names: Sequence[str]) -> tuple[Network, ...]:
    """Addresses and networks (``10.0.0.7``, ``10.0.0.0/8``). Raises ValueError that names the wrong one."""
    found = []
    for name in names:
        try:
            found.append(ip_network(name.strip(), strict=False))
        except ValueError:
            raise ValueError(f"{name!r} is no address or network; say 10.0.0.7 or 10.0.0.0/8") from None
    return tuple(found)


def is_trusted(peer: str | None, trusted: Sequence[Network]) -> bool:
    """Whether this is a proxy of ours; never for a caller without an address."""
    try:
        address = ip_address((peer or "").partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in trusted)


def said_by(request: web.BaseRequest) -> dict[str, str]:
    """What the proxy wrote about the caller: any of `remote`, `scheme`, `host`."""
    names = {"remote": "X-Forwarded-For", "scheme": "X-Forwarded-Proto", "host": "X-Forwarded-Host"}
    said = {what: request.headers.get(name, "").rpartition(",")[2].strip() for what, name in names.items()}
    if said["scheme"].lower() not in {"http", "https"}:
        said["scheme"] = ""
    return {what: value.lower() if what == "scheme" else value for what, value in said.items() if value}


def believing(trusted: Sequence[Network]) -> Middleware:
    """The middleware for these proxies."""

    @web.middleware
    async def believe(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not is_trusted(request.remote, trusted):
            return await handler(request)
        said = said_by(request)
        return await handler(request.clone(**said) if said else request)  # type: ignore[arg-type] # its own names

    return believe
