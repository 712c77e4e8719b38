"""The table of `maestro.md` §2, as far as it is served: one row a call. The rest of the contract is only more rows."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from aiohttp import web

from hub.domain.access import Role
from hub.maestro import tasks, version, workspace
from hub.maestro.call import Call

Handler = Callable[[Call], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One call of the contract."""

    method: str
    path: str
    """After ``/api/v2``, with ``{names}``. Fixed words stand before names: the first row that fits is taken."""
    role: Role | None
    """The least role that may call it; None: anybody, without a token."""
    handler: Handler
    adds: bool = False
    """Whether it brings something new, for which a hub on a full disk has no room (`reliability.md` R14)."""
    conflict: int = 409
    """Status of a request that contradicts the present state: 400 where the contract calls it a bad transition."""


ROWS: Sequence[Row] = (
    Row(method="GET", path="/maestro/version", role=None, handler=version.show),
    Row(method="POST", path="/workspace/login", role=None, handler=workspace.login),
    Row(method="POST", path="/task", role=Role.OPERATOR, handler=tasks.create, adds=True),
    Row(method="GET", path="/task", role=Role.VIEWER, handler=tasks.page),
    Row(method="GET", path="/task/{id}", role=Role.VIEWER, handler=tasks.show),
    Row(method="POST", path="/task/{id}", role=Role.OPERATOR, handler=tasks.update, conflict=400),
    Row(method="POST", path="/task/{id}/cancel", role=Role.OPERATOR, handler=tasks.cancel, conflict=400),
    Row(method="POST", path="/task/{id}/finish", role=Role.OPERATOR, handler=tasks.finish, conflict=400),
    Row(method="POST", path="/task/{id}/restart", role=Role.OPERATOR, handler=tasks.restart, adds=True, conflict=400),
)
