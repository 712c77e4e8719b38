"""The description of the API: OpenAPI 3.1 for tools, and a page of our own for people, with no outside address."""

import json
from collections.abc import Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import jinja2
from aiohttp import web

from hub.api.description import describe
from hub.api.route import PREFIX, Route

_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


def pages(routes: Sequence[Route]) -> list[web.RouteDef]:
    """Routes of the description; they are open to all, since they tell nothing of this hub's work."""
    described = describe(routes, own_version())
    text = json.dumps(described, ensure_ascii=False, separators=(",", ":")).encode()
    rendered = _template("docs.html").render(api=described, operations=_operations(described), name_of=_name_of)
    return [
        web.get(f"{PREFIX}/openapi.json", partial(_answer, text, "application/json")),
        web.get("/api/docs", partial(_answer, rendered.encode(), "text/html")),
        web.get("/api/docs.css", partial(_answer, _source("docs.css").encode(), "text/css")),
    ]


def own_version() -> str:
    """The installed version of Botyard."""
    try:
        return version("botyard")
    except PackageNotFoundError:
        return "0"


async def _answer(body: bytes, content_type: str, request: web.Request) -> web.Response:
    del request
    return web.Response(body=body, content_type=content_type, charset="utf-8", headers=_PAGE_HEADERS)


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


def _template(name: str) -> jinja2.Template:
    loader = jinja2.PackageLoader("hub.api", "pages")
    return jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True).get_template(name)


def _source(name: str) -> str:
    loader = jinja2.PackageLoader("hub.api", "pages")
    return loader.get_source(jinja2.Environment(autoescape=True), name)[0]
