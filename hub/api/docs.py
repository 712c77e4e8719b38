"""The description of the API: OpenAPI 3.1 for tools, and a page of our own for people, with no outside address."""

import asyncio
import functools
import json
import re
from collections.abc import Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from typing import Any

from aiohttp import web

from hub.api.route import PREFIX, Route

_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


class Description:
    """What is served; made when somebody first asks, because it costs a hub's start most of a second."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = routes

    @functools.cached_property
    def described(self) -> dict[str, Any]:
        """The OpenAPI description."""
        from hub.api.description import describe

        return describe(self._routes, own_version())

    @functools.cached_property
    def openapi(self) -> bytes:
        """The same as JSON."""
        return json.dumps(self.described, ensure_ascii=False, separators=(",", ":")).encode()

    @functools.cached_property
    def page(self) -> bytes:
        """The page for people."""
        import jinja2

        loader = jinja2.PackageLoader("hub.api", "pages")
        environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
        environment.filters["prose"] = _prose
        shown = {"api": self.described, "operations": _operations(self.described), "name_of": _name_of}
        return environment.get_template("docs.html").render(shown).encode()

    @functools.cached_property
    def style(self) -> bytes:
        """The page's style sheet."""
        return files("hub.api").joinpath("pages", "docs.css").read_bytes()


def pages(routes: Sequence[Route]) -> list[web.RouteDef]:
    """Routes of the description; they are open to all, since they tell nothing of this hub's work."""
    description = Description(routes)
    return [
        web.get(f"{PREFIX}/openapi.json", partial(_answer, description, "openapi", "application/json")),
        web.get("/", _to_page),
        web.get("/api/docs", partial(_answer, description, "page", "text/html")),
        web.get("/api/docs.css", partial(_answer, description, "style", "text/css")),
    ]


async def _to_page(request: web.Request) -> web.Response:
    """The address that `up` prints, opened in a browser, shows something."""
    del request
    raise web.HTTPFound("/api/docs")


def own_version() -> str:
    """The installed version of Botyard."""
    try:
        return version("botyard")
    except PackageNotFoundError:
        return "0"


async def _answer(description: Description, part: str, content_type: str, request: web.Request) -> web.Response:
    del request
    body = await asyncio.to_thread(getattr, description, part)
    return web.Response(body=body, content_type=content_type, charset="utf-8", headers=_PAGE_HEADERS)


def _prose(text: str) -> Any:
    """A text whose `words` are code, as HTML."""
    import markupsafe

    return markupsafe.Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(markupsafe.escape(text))))  # noqa: S704


def _operations(described: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Operations by tag, each with its path, method and a call to paste."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path, methods in described["paths"].items():
        for method, one in methods.items():
            shown = {**one, "path": path, "method": method.upper(), "call": _call(path, method.upper(), one)}
            found.setdefault(one["tags"][0], []).append(shown)
    return found


def _call(path: str, method: str, operation: dict[str, Any]) -> str:
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", parameter["example"])
    words = ["curl", *([] if method == "GET" else ["-X", method]), '-H "Authorization: Bearer $BOTYARD_TOKEN"']
    content = operation.get("requestBody", {}).get("content", {})
    example = content.get("application/json", {}).get("example")
    if example is not None:
        words += ["-H 'Content-Type: application/json'", f"-d '{json.dumps(example)}'"]
    elif content and "application/json" not in content:
        words += [f"-H 'Content-Type: {next(iter(content))}'", "-T bot.zip"]
    return " ".join([*words, f'"$BOTYARD_URL{path}"'])


def _name_of(schema: dict[str, Any]) -> str:
    """A schema in a few words: its model's name, its type, or its choices."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return " or ".join(_name_of(one) for one in schema[several])
    if schema.get("type") == "array":
        return f"list of {_name_of(schema.get('items', {}))}"
    if "const" in schema:
        return str(schema["const"])
    return str(schema.get("format") or schema.get("type") or "any")
