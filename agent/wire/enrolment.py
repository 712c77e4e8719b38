"""Enrolment: how a machine becomes a runner (`reliability.md` S1, S2, S6). One HTTPS call, once."""

from typing import Annotated

from pydantic import Field

from agent.wire.ids import WireRunnerId
from agent.wire.messages import Key
from agent.wire.names import SLOTS_MAX
from agent.wire.task import WireModel

ENROL_PATH = "/runner/v1/enrol"
LINK_PATH = "/runner/v1/link"
NONCE_HEADER = "Botyard-Nonce"
"""64 hexadecimal digits of randomness, sent by the runner with the websocket upgrade; the hub signs them."""

TOKEN_PREFIX = "byt_"  # noqa: S105 - a prefix, not a secret


class EnrolmentRequest(WireModel):
    """What the new runner says. The token goes in ``Authorization: Bearer``, never in a body or an argument."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    key: Key
    home_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    fingerprint: Annotated[str, Field(max_length=200)]
    labels: dict[str, str] = Field(default_factory=dict)
    slots: int = Field(default=1, ge=1, le=SLOTS_MAX)
    agent_version: str = ""
    platform: dict[str, str] = Field(default_factory=dict)


class Enrolled(WireModel):
    """What the hub answers; the runner pins ``hub_key``."""

    runner_id: WireRunnerId
    hub_id: str
    hub_key: Key
    workspace: str
    name: str
    labels: dict[str, str] = Field(default_factory=dict)
