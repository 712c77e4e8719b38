"""The proxy on the way to the hub: a setting, else ``HTTPS_PROXY``, ``HTTP_PROXY``, ``NO_PROXY`` or the system's own.

Never for loopback, whatever the environment says: what listens there is this machine's. Its password stands in a
`repr` nowhere, and in no log: only `shown` is for people.
"""

import urllib.request
from base64 import b64encode
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class BadProxy(Exception):  # noqa: N818 - a setting, told to a person
    """The proxy's address can't be used; the text is one sentence without its password."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """An HTTP proxy that is asked to CONNECT."""

    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def url(self) -> str:
        """Without credentials; they go in `headers`, so that no error of a library repeats them."""
        return f"http://{self._address}"

    @property
    def url_with_credentials(self) -> str:
        """For a library that takes nothing else."""
        who = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}@" if self.user else ""
        return f"http://{who}{self._address}"

    @property
    def shown(self) -> str:
        """Without them, for people."""
        return f"the proxy {self._address}"

    @property
    def headers(self) -> dict[str, str]:
        """What a CONNECT says of who asks."""
        if not self.user:
            return {}
        return {"Proxy-Authorization": f"Basic {b64encode(f'{self.user}:{self.password}'.encode()).decode()}"}

    @property
    def _address(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def proxy_for(scheme: str, host: str, port: int, chosen: str | None = None) -> Proxy | None:
    """The proxy for this address; None for the direct way. Raises BadProxy.

    `chosen` is the setting: it wins over the environment and over ``NO_PROXY``; ``direct`` means none.
    """
    if host in LOOPBACK or chosen == "direct":
        return None
    if chosen:
        return parse_proxy(chosen, "the setting proxy")
    if urllib.request.proxy_bypass(f"{host}:{port}"):
        return None
    known = urllib.request.getproxies()
    name = scheme if scheme in known else "all"
    return parse_proxy(known[name], f"{name.upper()}_PROXY") if name in known else None


def parse_proxy(text: str, source: str) -> Proxy:
    """Read ``http://[user:password@]host[:port]``. Raises BadProxy that names `source`, never the text."""
    remedy = f"{source} is no proxy that can be used: say http://HOST:PORT, or http://USER:PASSWORD@HOST:PORT"
    parts = urlsplit(text if "//" in text else f"http://{text}")
    try:
        port = parts.port or 80
    except ValueError:
        raise BadProxy(remedy) from None
    if parts.scheme != "http" or not parts.hostname or parts.path.strip("/") or parts.query:
        raise BadProxy(remedy)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return Proxy(host=parts.hostname, port=port, user=user, password=password)
