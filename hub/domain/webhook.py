"""Calls from outside that make tasks: who may, which is new, and what of the payload becomes parameters (S41, R66).

`standard`: Standard Webhooks 1.0: ``webhook-id``, ``webhook-timestamp`` (seconds) and ``webhook-signature``, which is
``v1,`` + base64 of HMAC-SHA256 over ``id.timestamp.body``; several stand apart by spaces. `token`: a bearer token, for
callers that can't sign. Nothing of a payload is evaluated: expressions are the developer's, a payload is their input.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from hub.domain.parameters import NAME, Fault

MEMBERS = ("sign", "map")
BODY_MAX_BYTES = 256 * 1024
TOLERANCE = timedelta(minutes=5)
ID_MAX = 200
SECRET_PREFIX = "whsec_"  # noqa: S105 - what secrets of this kind begin with
_MAPPED_MAX = 100
_SIGNATURES_MAX = 16
_SECONDS_DIGITS = 12


class Sign(StrEnum):
    """How a caller shows who he is."""

    STANDARD = "standard"
    TOKEN = "token"  # noqa: S105 - a word


@dataclass(frozen=True, slots=True, kw_only=True)
class HookRule:
    """What a definition says."""

    sign: Sign = Sign.STANDARD
    map: Mapping[str, str] = field(default_factory=dict)
    """Parameter to expression over ``body`` and ``headers``; none: the members of the body are the parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One call; names of headers in small letters."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """What the caller calls this message; empty where it gives it no name."""
        name = self.headers.get("webhook-id") or self.headers.get("idempotency-key") or ""
        return name[:ID_MAX].encode("ascii", "replace").decode()


def read_rule(definition: Mapping[str, Any]) -> HookRule:
    """The rule of a stored definition."""
    return HookRule(sign=Sign(definition.get("sign", Sign.STANDARD)), map=definition.get("map") or {})


def faults_of(definition: Mapping[str, Any]) -> list[Fault]:
    """What is wrong with a definition but for its expressions, all at once."""
    faults = []
    sign = definition.get("sign", Sign.STANDARD)
    if sign not in set(Sign):
        faults.append(Fault(field="sign", message=f"{str(sign)[:40]!r} is none", remedy=f"one of {', '.join(Sign)}"))
    return faults + map_faults(definition.get("map") or {})


def map_faults(mapped: Any) -> list[Fault]:
    """What is wrong with parameters and their expressions, but for the expressions themselves."""
    if not isinstance(mapped, Mapping) or not all(isinstance(one, str) for one in mapped.values()):
        return [Fault(field="map", message="is no object of texts", remedy="parameter: expression")]
    if len(mapped) > _MAPPED_MAX:
        return [Fault(field="map", message=f"more than {_MAPPED_MAX}", remedy="map a whole object")]
    remedy = "letters, digits, _ . or -"
    odd = [name for name in mapped if not NAME.match(name)]
    return [Fault(field=f"map.{name[:64]}", message="is no name", remedy=remedy) for name in odd]


def make_secret(entropy: bytes) -> str:
    """The text of a secret made of 32 random bytes."""
    return SECRET_PREFIX + base64.b64encode(entropy).decode()


def signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """What a caller with this secret writes into ``webhook-signature``."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def why_refused(rule: HookRule, secret: str, delivery: Delivery, now: datetime) -> str | None:
    """Why this call is nobody's who knows the secret; None when it is. Compared in constant time."""
    if rule.sign is Sign.TOKEN:
        scheme, _, given = delivery.headers.get("authorization", "").partition(" ")
        is_same = hmac.compare_digest(given.strip().encode("utf-8", "surrogatepass"), secret.encode())
        return None if scheme.lower() == "bearer" and is_same else "Send the token: Authorization: Bearer whsec_…."
    headers = delivery.headers
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    is_named = 0 < len(message_id) <= ID_MAX and message_id.isascii() and message_id.isprintable()
    if not is_named or not (timestamp.isascii() and timestamp.isdecimal()) or len(timestamp) > _SECONDS_DIGITS:
        return "Send webhook-id, webhook-timestamp (seconds) and webhook-signature (Standard Webhooks)."
    expected = signature(secret, message_id, timestamp, delivery.body)
    told = headers.get("webhook-signature", "").split()[:_SIGNATURES_MAX]
    # Each is compared, so that the time tells nothing.
    matches = [hmac.compare_digest(one.encode("utf-8", "surrogatepass"), expected.encode()) for one in told]
    if not any(matches):
        return "The signature is not of this message and this trigger's secret."
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE.total_seconds():
        return "The message is older, or newer, than five minutes: mind the clocks."
    return None
