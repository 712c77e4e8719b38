"""One declaration a route: method, path, role, words; the models stand in the handler's own signature.

    @route("POST", "/tasks", Spec(role=Role.OPERATOR, summary="Ask for a task", status=201))
    async def create(call: Call[NewTask, Nothing]) -> Sent[TaskAnswer]: ...

From it come the checks before the handler (`serve.py`) and the OpenAPI text (`description.py`). A handler parses
nothing and checks no token; it calls one service and renders the answer. No route is without a role: ``role=None`` says
*open to all* out loud.
"""

import re
import types
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Union, get_args, get_origin, get_type_hints

from aiohttp import web
from pydantic import BaseModel

from hub.api.call import Call, Nothing, Sent
from hub.domain.access import Role

PREFIX = "/api/v1"
_ENDING = frozenset({"cancel", "kill", "interrupt", "drain", "resume", "revoke", "pause"})
JSON_MAX_BYTES = 1024 * 1024
"""Largest JSON body (`reliability.md` S39)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What is said of a route besides its method, path and models."""

    role: Role | None
    """The least role that may call it; None: anybody, without a token."""
    summary: str
    about: str = ""
    status: int = 200
    media: str = "application/json"
    """Of a good answer; a handler of another type answers with a response of its own."""
    instance: bool = False
    """Only for instance admins."""
    upload: str = ""
    """Media type of a body that the handler reads itself as a stream."""
    streams: bool = False
    """May answer with server-sent events, which last as long as the client wants."""
    ends: bool = False
    """Ends or frees something, so that it is served on a full disk too (`reliability.md` R14)."""
    bots: bool = False
    """A bot may call it through its runner's gateway, for its own execution only."""
    secret: bool = False
    """The answer holds a secret: it is shown once and never kept for an Idempotency-Key."""
    example: Mapping[str, Any] = field(default_factory=dict)
    """A body that works."""
    timeout_s: float | None = 30.0
    """Longest time until the handler has answered; None for uploads, which have limits of their own."""


Handler = Callable[[Any], Awaitable[BaseModel | Sent[Any] | web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A declared route; `hub/api/__init__.py` lists all of them."""

    method: str
    path: str
    """Below `PREFIX`, with ``{names}``."""
    spec: Spec
    handler: Handler
    tag: str
    name: str
    body: type[BaseModel] | None
    query: type[BaseModel]
    answer: type[BaseModel] | None
    """Model of the JSON answer; None: bytes or a stream."""

    @property
    def full_path(self) -> str:
        """The path as clients write it."""
        return PREFIX + self.path

    @property
    def parameters(self) -> Sequence[str]:
        """Names in the path, in order."""
        return re.findall(r"\{(\w+)\}", self.path)

    @property
    def operation(self) -> str:
        """A name for generated clients, unique among all routes."""
        return f"{self.tag}_{self.name}"

    @property
    def brings_more(self) -> bool:
        """Whether it adds to what is stored, for which a full disk has no room (`reliability.md` R14).

        What ends or frees something is small, and is served all the same.
        """
        is_ending = self.spec.ends or self.path.rpartition("/")[2] in _ENDING
        return self.method in {"POST", "PUT", "PATCH"} and not is_ending

    @property
    def takes_key(self) -> bool:
        """Whether an Idempotency-Key means something here (P11).

        A PUT wants one too: come late, its first try would put the old value back over one that came after it.
        """
        return self.method == "PUT" or (self.method == "POST" and not self.spec.upload)


def route(method: str, path: str, spec: Spec) -> Callable[[Handler], Route]:
    """Declare the decorated function as the handler of ``method path``; the result is the `Route`.

    Raises TypeError, at import, for a handler whose signature does not say ``call: Call[Body, Query]`` and its answer.
    """

    def declare(handler: Handler) -> Route:
        hints = get_type_hints(handler)
        if get_origin(hints.get("call")) is not Call or "return" not in hints:
            raise TypeError(f"{handler!r} must be declared (call: Call[Body, Query]) -> Answer")
        body, query = get_args(hints["call"])
        return Route(
            method=method,
            path=path,
            spec=spec,
            handler=handler,
            tag=handler.__module__.rpartition(".")[2],
            name=getattr(handler, "__name__", "call"),
            body=None if body is Nothing else body,
            query=query,
            answer=_answer_model(hints["return"]),
        )

    return declare


def _answer_model(hint: Any) -> type[BaseModel] | None:
    """The model among what a handler may return; None when it only returns responses of its own."""
    choices = get_args(hint) if get_origin(hint) in {types.UnionType, Union} else (hint,)
    named = [get_args(choice)[0] if get_origin(choice) is Sent else choice for choice in choices]
    models = [one for one in named if isinstance(one, type) and issubclass(one, BaseModel)]
    streams = [one for one in named if isinstance(one, type) and issubclass(one, web.StreamResponse)]
    if len(models) > 1 or len(models) + len(streams) != len(named):
        raise TypeError(f"an answer is one model, Sent[model], a stream, or a model or a stream, not {hint!r}")
    return models[0] if models else None
