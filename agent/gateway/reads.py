"""Which calls may be sent twice without a key: an allow-list of pure reads (`core.md` §6).

Whatever is not named here gets an idempotency key, a GET that takes (``datapool/…/pull``) too.
"""

import re

from agent.wire.maestro_answers import API_PREFIX

_READS = (
    r"maestro/version",
    r"task(?:/[^/]+)?",
    r"alerts",
    r"log(?:/[^/]+(?:/(?:entry-list|export))?)?",
    r"artifact(?:/[^/]+(?:/file)?)?",
    r"error(?:/[^/]+)?",
    r"credential(?:/[^/]+(?:/key/[^/]+)?)?",
    r"datapool(?:/[^/]+(?:/(?:summary|view|entry/[^/]+))?)?",
    r"activity(?:/[^/]+)?",
    r"bot(?:/pagination|/[^/]+/version/[^/]+)?",
    r"machine/(?:pagination|log/[^/]+|[^/]+(?:/tasks-summary)?)",
    r"scheduling(?:/[^/]+)?",
    r"(?:maestro/api/)?workspaces(?:/[^/]+)?",
    r"maestro/api/logs(?:/[^/]+(?:/download)?)?",
)
_PURE = re.compile(f"{API_PREFIX}/(?:{'|'.join(_READS)})")
_SECRET = re.compile(API_PREFIX + r"/credential/[^/]+/key/[^/]+")


def is_pure_read(method: str, path: str) -> bool:
    """Whether the call changes nothing at the hub, so that it may simply be sent again."""
    return method in {"GET", "HEAD"} and _PURE.fullmatch(path) is not None


def answers_a_secret(method: str, path: str) -> bool:
    """Whether the answer's body is a secret, to be masked in the output before the bot gets it (`core.md` §3)."""
    return method == "GET" and _SECRET.fullmatch(path) is not None
