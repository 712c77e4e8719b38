"""The gateway: loopback HTTP between a bot's SDK and the hub (`design.md` §3, `core.md` §6).

    bot ──token──▶ 127.0.0.1 ──▶ own task?   finish: a fact in the spool, answered at once with the whole task
                                 │           look:   the hub's answer, or the order's, with the own report laid over it
                                 └─ all else: forwarded over HTTPS with the session's ticket and an idempotency key,
                                              waiting through a hub's restart, given up after 27 s with 503

A bot's token is worth something here only, for its own execution, until its tree is empty. The daemon stands behind
`agent.gateway_port`; the gateway sees no spool, no link and no folder. aiohttp is imported at the first connection, so
that a runner without work stays light.

| file | what it is |
|---|---|
| `server` | life: the listening socket that shims keep open, first connection, stop |
| `routes` | the table of routes and the application |
| `callers` | token to execution |
| `tasks` | BotCity's calls about tasks |
| `own`, `files` | our own small API, at ``BOTYARD_API_URL``: what a bot without an SDK says, files it hands over |
| `members` | its bodies: JSON or forms |
| `forwarding`, `reads`, `upstream` | everything else goes to the hub |
| `bodies` | request bodies: memory, then a 0600 file, then 413 |
| `refusals` | errors, in BotCity's shape and as problem+json |
"""

from agent.gateway.server import OWN_API_PATH, Gateway, own_api_url, server_url
from agent.gateway.settings import GatewaySettings

__all__ = ["OWN_API_PATH", "Gateway", "GatewaySettings", "own_api_url", "server_url"]
