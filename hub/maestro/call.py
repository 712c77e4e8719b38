"""What a handler is given, and the ways to a service."""

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from aiohttp import web

from agent.wire.maestro_answers import json_object, task_number
from hub.context import Hub
from hub.domain.access import Caller, Role
from hub.errors import NotFound
from hub.maestro.errors import Refused
from hub.services import bots
from hub.services.bots import Answered, Repeatable
from hub.storage.transaction import Done, Effect, Transaction

T = TypeVar("T")

NOBODY = Caller(workspace_id="", workspace="", token_id="", name="nobody", role=Role.VIEWER)
"""Who calls an open route; it belongs to no workspace, so every query of it would find nothing."""


def json_body(value: object) -> bytes:
    """JSON in plain ASCII: the same to every client, whatever charset it assumes (§1.1)."""
    return json.dumps(value, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One authenticated request. Bodies are read by `members`, since many calls come with one that means nothing."""

    hub: Hub
    caller: Caller
    request: web.Request
    raw: bytes
    key: str | None = None
    """The gateway's Idempotency-Key; without an execution it means nothing."""

    @property
    def query(self) -> Mapping[str, str]:
        """The query; of a name given twice the first counts."""
        return self.request.query

    def path(self, name: str) -> str:
        """The value of ``{name}`` in the path, percent signs resolved."""
        return self.request.match_info[name]

    def number(self, name: str = "id") -> int:
        """A task's number in the path. Raises NotFound for a word: it is not there (§1.6)."""
        text = self.path(name)
        number = task_number(text)
        if number is None:
            raise NotFound("no_task", f"Task {text[:64]} does not exist")
        return number

    def members(self) -> dict[str, Any]:
        """The members of the body; none for an empty one. Raises Refused 400."""
        try:
            return json_object(self.raw)
        except ValueError as error:
            raise Refused(400, str(error)) from None

    async def read(self, query: Callable[[Transaction], T]) -> T:
        """Run a query with its arguments bound."""
        return await self.hub.store.read(query)

    async def write(
        self,
        use_case: Callable[[Transaction], Done[T]],
        shape: Callable[[T], object],
        *,
        status: int = 200,
        urgent: bool = False,
        unused: Sequence[Effect] = (),
    ) -> web.Response:
        """Run a use case, once for each key of an execution, and answer its result in `shape` (pure).

        `unused` is performed when it did not happen: it raised, or the first answer was given again.
        """
        render = functools.partial(_render, shape, status)
        if self.key is None or self.caller.execution_id is None:
            done = await self.hub.store.write(use_case, urgent=urgent, on_failure=unused)
            answered = render(done)
        else:
            again = functools.partial(_once, self._repeatable(self.key, unused), use_case, render)
            answered = await self.hub.store.write(again, urgent=urgent, on_failure=unused)
        return web.Response(status=answered.status, body=answered.body, content_type="application/json")

    def _repeatable(self, key: str, unused: Sequence[Effect]) -> Repeatable:
        assert self.caller.execution_id is not None
        return Repeatable(
            workspace_id=self.caller.workspace_id,
            execution_id=self.caller.execution_id,
            key=key,
            mac=bots.request_mac(key, self.request.method, self.request.raw_path, self.raw),
            unused=unused,
        )


def answer(value: object, status: int = 200) -> web.Response:
    """A JSON answer."""
    return web.Response(status=status, body=json_body(value), content_type="application/json")


def _render(shape: Callable[[T], object], status: int, result: T) -> Answered:
    return Answered(status=status, body=json_body(shape(result)))


def _once(
    call: Repeatable, use_case: Callable[[Transaction], Done[T]], render: Callable[[T], Answered], tx: Transaction
) -> Done[Answered]:
    return bots.once(tx, call, use_case, render)
