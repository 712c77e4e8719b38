"""Roles and secrets (`design.md` §5, `reliability.md` S1, S7, S34)."""

from datetime import UTC, datetime, timedelta

import pytest

from hub.domain.access import Caller, Role, SecretKind, format_secret, is_live, may, secret_hash, secret_kind

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("needed", Role)
def test_each_role_may_all_that_lower_ones_may(role: Role, needed: Role) -> None:
    """`design.md` §5: viewer < operator < developer < admin."""
    order = ["viewer", "operator", "developer", "admin"]

    assert (order.index(role) >= order.index(needed)) == may(role, needed)


def test_a_caller_asks_its_own_role() -> None:
    caller = Caller(workspace_id="wsp_1", workspace="default", token_id="key_1", name="ci", role=Role.OPERATOR)

    assert caller.may(Role.VIEWER)
    assert not caller.may(Role.DEVELOPER)
    assert "token:ci" == caller.actor


@pytest.mark.parametrize("kind", SecretKind)
def test_a_secret_tells_its_kind_and_nothing_else_passes_for_one(kind: SecretKind) -> None:
    """S34: prefix and checksum; S7: a token of the wrong kind is told before the database is asked."""
    secret = format_secret(kind, bytes(range(32)))

    assert kind is secret_kind(secret)
    assert secret_kind(secret[:-1]) is None
    assert secret_kind(secret[:20] + ("a" if secret[20] != "a" else "b") + secret[21:]) is None
    assert secret_kind("byx" + secret[3:]) is None
    other = next(k for k in SecretKind if k is not kind)
    assert secret_kind(str(other) + secret[3:]) is None


@pytest.mark.parametrize("text", ["", "_", "byk_", "Bearer", "byk_" + "é" * 59, "byk_" + "a" * 59])
def test_noise_is_no_secret(text: str) -> None:
    assert secret_kind(text) is None


def test_a_secret_is_made_of_256_bits() -> None:
    """S1, S34: random 256 bit; what is stored is its sha256."""
    with pytest.raises(ValueError, match="32 bytes"):
        format_secret(SecretKind.KEY, b"short")
    assert 64 == len(secret_hash(format_secret(SecretKind.KEY, bytes(32))))


def test_any_bytes_of_a_header_have_a_hash() -> None:
    """A key in Latin-1 is unknown (401): who has none must not be able to make the hub fail (S7)."""
    assert 64 == len(secret_hash(b"\xfc".decode("utf-8", "surrogateescape")))


@pytest.mark.parametrize("revoked_at", [None, NOON])
@pytest.mark.parametrize("expires_in_s", [None, 1, 0, -1])
def test_a_token_is_good_until_its_end_or_its_revocation(expires_in_s: int | None, revoked_at: datetime | None) -> None:
    expires_at = None if expires_in_s is None else NOON + timedelta(seconds=expires_in_s)

    live = is_live(expires_at=expires_at, revoked_at=revoked_at, now=NOON)

    assert (revoked_at is None and expires_in_s in {None, 1}) == live
