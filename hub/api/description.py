"""The OpenAPI 3.1 text, generated from the routes and their models, so that it can't differ from what is served."""

import re
from collections.abc import Sequence
from typing import Any

from openapi_pydantic import OpenAPI
from openapi_pydantic.util import PydanticSchema, construct_open_api_with_schema_class
from pydantic import BaseModel

from hub.api import problem
from hub.api.path_parameters import PATH_PARAMETERS
from hub.api.problem import Problem
from hub.api.route import Route
from hub.api.sse import MEDIA_TYPE as EVENTS

ABOUT = """
Everything that a Botyard hub does, for scripts and people. Send `Authorization: Bearer byk_…` (`botyard key create`).

A key belongs to one workspace and has one role: `viewer` < `operator` < `developer` < `admin`. Listings take `limit`
and `cursor`. A POST or PUT with an `Idempotency-Key` is done once and answered alike for 24 hours. Errors are
`application/problem+json`; `code` is stable, `errors` names every fault with its remedy.
"""
ERRORS = {
    "400": "The query or the body can't be read.",
    "401": "No live key.",
    "403": "The key's role is too low.",
    "404": "There is no such thing in this workspace.",
    "409": "Not in the present state.",
    "422": "The request can't be carried out; `errors` says why.",
    "503": "Not now; try again.",
}


def describe(routes: Sequence[Route], version: str) -> dict[str, Any]:
    """The whole description as JSON."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.full_path, {})[route.method.lower()] = _operation(route)
    described = OpenAPI.model_validate(
        {
            "openapi": "3.1.1",
            "info": {"title": "Botyard", "version": version, "description": ABOUT.strip()},
            "servers": [{"url": "/"}],
            "tags": [{"name": tag} for tag in dict.fromkeys(route.tag for route in routes)],
            "paths": paths,
            "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer", "bearerFormat": "byk_…"}}},
            "security": [{"key": []}],
        }
    )
    whole = construct_open_api_with_schema_class(described)
    return whole.model_dump(mode="json", by_alias=True, exclude_none=True)


def _operation(route: Route) -> dict[str, Any]:
    spec = route.spec
    who = (
        "Open to all."
        if spec.role is None
        else f"Role: `{spec.role}`" + (", instance admin." if spec.instance else ".")
    )
    operation: dict[str, Any] = {
        "tags": [route.tag],
        "summary": spec.summary,
        "description": " ".join(text for text in (spec.about, who) if text),
        "operationId": route.operation,
        "parameters": [*_path_parameters(route), *_query_parameters(route.query), *_headers(route)],
        "responses": {str(spec.status): _good(route), **_bad(route)},
    }
    if spec.role is None:
        operation["security"] = []
    if spec.upload:
        operation["requestBody"] = {"required": True, "content": {spec.upload: {}}}
    elif route.body is not None:
        content: dict[str, Any] = {"schema": PydanticSchema(schema_class=route.body)}
        if spec.example:
            content["example"] = dict(spec.example)
        required = any(field.is_required() for field in route.body.model_fields.values())
        operation["requestBody"] = {"required": required, "content": {"application/json": content}}
    return operation


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string"},
            "description": PATH_PARAMETERS[name].about,
            "example": PATH_PARAMETERS[name].example,
        }
        for name in re.findall(r"\{(\w+)\}", route.path)
    ]


def _query_parameters(query: type[BaseModel]) -> list[dict[str, Any]]:
    schema = query.model_json_schema(by_alias=True)
    required = schema.get("required", [])
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "schema": {key: value for key, value in one.items() if key not in {"title", "description"}},
            "description": one.get("description", ""),
        }
        for name, one in _without_references(schema).items()
    ]


def _without_references(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Properties with the few enums of queries written out where they stand."""
    named = schema.get("$defs", {})

    def written_out(value: Any) -> Any:
        if isinstance(value, dict):
            if "$ref" in value:
                rest = {key: one for key, one in value.items() if key != "$ref"}
                return {**written_out(named[value["$ref"].rpartition("/")[2]]), **rest}
            return {key: written_out(one) for key, one in value.items()}
        return [written_out(one) for one in value] if isinstance(value, list) else value

    return {name: written_out(one) for name, one in schema.get("properties", {}).items()}


def _headers(route: Route) -> list[dict[str, Any]]:
    if not route.takes_key:
        return []
    about = "Makes the call safe to repeat for 24 hours."
    schema = {"type": "string", "maxLength": 255}
    return [{"name": "Idempotency-Key", "in": "header", "required": False, "schema": schema, "description": about}]


def _good(route: Route) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if route.answer is not None:
        content[route.spec.media] = {"schema": PydanticSchema(schema_class=route.answer)}
    else:
        content[route.spec.media] = {}
    if route.spec.streams:
        content[EVENTS] = {}
    return {"description": route.spec.summary, "content": content}


def _bad(route: Route) -> dict[str, Any]:
    media = {problem.MEDIA_TYPE: {"schema": PydanticSchema(schema_class=Problem)}}
    left_out = {"401", "403"} if route.spec.role is None else set()
    return {code: {"description": text, "content": media} for code, text in ERRORS.items() if code not in left_out}
