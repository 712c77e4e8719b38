"""One HTTP call to the hub outside of any session, by the way that the link takes: same proxy, same authorities.

Enrolment has no session yet, and `doctor` must not need one.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

from agent.errors import AgentError
from agent.link import Address, tls_context, why_unreached
from agent.ports.proxies import Proxy

_TIMEOUT_S = 20.0
_ANSWER_MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class HubAnswer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class HubWay:
    """How the hub is reached."""

    address: Address
    ca: Path | None
    proxy: Proxy | None
    timeout_s: float = _TIMEOUT_S

    def call(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> HubAnswer:
        """One call, which blocks. Raises AgentError with one sentence; SetupError for an unusable authority."""
        connection = self._open()
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            named = {name.lower(): value for name, value in answer.headers.items()}
            return HubAnswer(status=answer.status, headers=named, body=answer.read(_ANSWER_MAX_BYTES))
        except ssl.SSLError as error:
            raise AgentError(f"{self.address.origin}: {why_unreached(error, self.address)}") from None
        except (OSError, HTTPException) as error:
            why = why_unreached(error, self.address, self.proxy)
            if isinstance(error, (HTTPException, ConnectionResetError, BrokenPipeError)) and not self.address.is_secure:
                # A hub that speaks TLS closes, before or after all was sent, or answers with an alert.
                why = "what answers there speaks no plain HTTP; is it https://, or another port?"
            raise AgentError(f"{self.address.origin} is not reached: {why}") from None
        finally:
            connection.close()

    def _open(self) -> HTTPConnection:
        """A connection that is made at the first request."""
        hub = urlsplit(self.address.origin)
        host, port = (self.proxy.host, self.proxy.port) if self.proxy else (hub.hostname or "", hub.port)
        connection = (
            HTTPSConnection(host, port, timeout=self.timeout_s, context=tls_context(self.ca))
            if self.address.is_secure
            else HTTPConnection(host, port, timeout=self.timeout_s)
        )
        if self.proxy is not None:
            connection.set_tunnel(hub.hostname or "", hub.port, self.proxy.headers)
        return connection
