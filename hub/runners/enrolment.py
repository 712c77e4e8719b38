"""``POST /runner/v1/enrol``: a single-use token brings one machine in (S1, S2, S6)."""

from aiohttp import web
from pydantic import ValidationError

from agent.wire.enrolment import Enrolled, EnrolmentRequest
from hub.context import Hub
from hub.domain.access import SecretKind, secret_kind
from hub.errors import Forbidden, Invalid
from hub.services import runners

_BODY_MAX_BYTES = 64 * 1024


async def enrol(hub: Hub, request: web.Request) -> web.Response:
    """Use up the token; answer who the runner is, and who the hub is for ever. Raises Forbidden, Invalid, Conflict."""
    secret = bearer(request)
    if secret_kind(secret) is not SecretKind.ENROLMENT:
        raise Forbidden(
            "bad_enrolment_token", "This is no enrolment token (byt_…, 64 characters): botyard runner token makes one."
        )
    raw = await request.content.read(_BODY_MAX_BYTES + 1)
    if len(raw) > _BODY_MAX_BYTES:
        raise Invalid("bad_request", "The request is too long.")
    try:
        asked = EnrolmentRequest.model_validate_json(raw)
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise Invalid("bad_request", f"{where}: {fault['msg']}") from None
    added = await hub.store.write(runners.enrol, secret, asked)
    answer = Enrolled(
        runner_id=added.runner.id,
        hub_id=hub.identity.hub_id,
        hub_key=hub.identity.key,
        workspace=added.workspace,
        name=added.runner.name,
        labels=dict(added.runner.labels),
    )
    return web.Response(text=answer.model_dump_json(), content_type="application/json", status=201)


def bearer(request: web.Request) -> str:
    """The secret of ``Authorization: Bearer``, empty when there is none."""
    scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
    return rest.strip() if scheme.lower() == "bearer" else ""
