"""Keys, SDK logins, workspaces, enrolment tokens: the services, on both engines (S1, S7, S34; design.md §5)."""

import asyncio
from datetime import timedelta

import pytest

from hub.domain.access import Caller, Role, SecretKind, secret_hash
from hub.errors import Conflict, Forbidden, Invalid, NotFound
from hub.services import access, enrolment
from hub.services.access import NewKey
from hub.services.enrolment import EnrolmentState, NewEnrolment
from hub.storage import access as rows
from hub.storage.transaction import Done, Transaction
from tests.support.api_hub import ApiWorld

BOTCITY = frozenset({SecretKind.ACCESS})


async def test_the_first_start_makes_one_admin_and_no_later_start_another(each_world: ApiWorld) -> None:
    """design.md §5: the first start makes workspace `default` and an admin."""
    assert not await each_world.store.write(access.bootstrap, access.new_secret(SecretKind.KEY))


async def test_an_sdk_logs_in_with_login_and_key_and_gets_a_token_of_its_own_kind(each_world: ApiWorld) -> None:
    """maestro.md §3.1; S7: neither token is good where the other is asked for; it ends after 24 h, or with its key."""
    world = each_world
    key, secret = world.secrets["operator"], access.new_secret(SecretKind.ACCESS)
    operator = await world.store.read(access.authenticate, key)
    assert operator is not None
    login = await world.store.write(access.login, operator.token_id, key, secret)
    assert login is not None
    assert (Role.OPERATOR, "default") == (login.caller.role, login.caller.workspace)
    assert world.clock.now() + timedelta(hours=24) == login.expires_at
    assert await world.store.read(access.authenticate, secret, BOTCITY) is not None
    assert await world.store.read(access.authenticate, secret) is None
    assert await world.store.read(access.authenticate, key, BOTCITY) is None
    world.clock.advance(24 * 3600)
    assert await world.store.read(access.authenticate, secret, BOTCITY) is None


async def test_a_revoked_key_takes_its_logins_with_it(each_world: ApiWorld) -> None:
    world = each_world
    key, secret = world.secrets["operator"], access.new_secret(SecretKind.ACCESS)
    operator = await world.store.read(access.authenticate, key)
    assert operator is not None
    await world.store.write(access.login, operator.token_id, key, secret)
    await world.store.write(access.revoke_key, world.admin, operator.token_id)
    assert await world.store.read(access.authenticate, secret, BOTCITY) is None
    assert await world.store.write(access.login, operator.token_id, key, access.new_secret(SecretKind.ACCESS)) is None


@pytest.mark.parametrize("wrong", ["login", "key", "both", "kind"])
async def test_a_login_that_does_not_fit_is_no_login(world: ApiWorld, wrong: str) -> None:
    operator = await world.store.read(access.authenticate, world.secrets["operator"])
    assert operator is not None
    login = world.admin.token_id if wrong in {"login", "both"} else operator.token_id
    key = world.secrets["developer"] if wrong in {"key", "both"} else world.secrets["operator"]
    key = access.new_secret(SecretKind.ENROLMENT) if wrong == "kind" else key
    assert await world.store.write(access.login, login, key, access.new_secret(SecretKind.ACCESS)) is None


async def test_live_keys_have_names_of_their_own_and_a_dead_ones_name_is_free(each_world: ApiWorld) -> None:
    """Events name a caller by its key's name: two live ones must not share it, whoever comes at the same time."""
    world = each_world

    async def make() -> bool:
        secret = access.new_secret(SecretKind.KEY)
        try:
            await world.store.write(access.create_key, world.admin, NewKey(name="ci", role=Role.VIEWER), secret)
        except Conflict:
            return False
        return True

    assert 1 == sum(await asyncio.gather(*(make() for _ in range(4))))
    keys = await world.store.read(access.keys, world.admin.workspace_id, "", 100)
    ci = next(key for key in keys if key.name == "ci")
    await world.store.write(access.revoke_key, world.admin, ci.id)
    assert await make()


async def test_a_key_ends_with_its_time(world: ApiWorld) -> None:
    """S34: 90 days unless said otherwise."""
    secret = access.new_secret(SecretKind.KEY)
    key = await world.store.write(access.create_key, world.admin, NewKey(name="ci", role=Role.VIEWER), secret)
    assert world.clock.now() + timedelta(days=90) == key.expires_at
    world.clock.advance(90 * 86400 - 1)
    assert await world.store.read(access.authenticate, secret) is not None
    world.clock.advance(1)
    assert await world.store.read(access.authenticate, secret) is None


async def test_the_use_of_a_key_is_noted_but_not_at_every_request(world: ApiWorld) -> None:
    """S34: last used; not worth a write for each request."""

    async def noted() -> str:
        keys = (await world.get("/keys", "instance"))["items"]
        return str(next(key["last_used_at"] for key in keys if key["name"] == "the viewer"))

    await world.get("/me", "viewer")
    first = await noted()
    world.clock.advance(60)
    await world.get("/me", "viewer")
    assert first == await noted()
    world.clock.advance(600)
    await world.get("/me", "viewer")
    assert first != await noted()


async def test_nobody_gives_or_revokes_more_than_they_have(world: ApiWorld) -> None:
    developer = await world.store.read(access.authenticate, world.secrets["developer"])
    instance = await world.store.read(access.authenticate, world.secrets["instance"])
    assert developer is not None
    assert instance is not None
    secret = access.new_secret(SecretKind.KEY)
    with pytest.raises(Forbidden):
        await world.store.write(access.create_key, developer, NewKey(name="x", role=Role.ADMIN), secret)
    with pytest.raises(Forbidden):
        await world.store.write(access.revoke_key, world.admin, instance.token_id)
    with pytest.raises(Forbidden):
        await world.store.write(access.create_workspace, world.admin, "x", "", secret)


@pytest.mark.parametrize("name", ["", " x", "x" * 65, "a\nb", "a\x1b[31mb"])
async def test_a_key_has_a_name_that_can_be_shown_anywhere(world: ApiWorld, name: str) -> None:
    secret = access.new_secret(SecretKind.KEY)
    with pytest.raises(Invalid):
        await world.store.write(access.create_key, world.admin, NewKey(name=name, role=Role.VIEWER), secret)


async def test_an_enrolment_token_lives_for_a_while_and_is_used_once(each_world: ApiWorld) -> None:
    """S1: single use, 10 minutes (at most 24 h), bound to workspace and labels."""
    world = each_world

    async def make(life: timedelta = timedelta(minutes=10)) -> tuple[str, str]:
        secret = access.new_secret(SecretKind.ENROLMENT)
        made = await world.store.write(enrolment.create, world.admin, NewEnrolment(life=life), secret)
        return made.id, secret

    async def state(token_id: str) -> EnrolmentState:
        page = await world.store.read(enrolment.page, world.admin.workspace_id, "", 100)
        return next(token.state for token in page if token.id == token_id)

    def use(tx: Transaction, secret: str) -> Done[bool]:
        return Done(rows.use_enrolment(tx, secret_hash(secret), "rnr_x") is not None)

    used, secret = await make()
    assert EnrolmentState.OPEN is await state(used)
    assert [True, False] == [await world.store.write(use, secret) for _ in range(2)]
    assert EnrolmentState.USED is await state(used)
    with pytest.raises(Conflict):
        await world.store.write(enrolment.revoke, world.admin, used)
    revoked, secret = await make()
    await world.store.write(enrolment.revoke, world.admin, revoked)
    assert (EnrolmentState.ENDED, False) == (await state(revoked), await world.store.write(use, secret))
    long, secret = await make(timedelta(days=30))
    world.clock.advance(24 * 3600)
    assert (EnrolmentState.ENDED, False) == (await state(long), await world.store.write(use, secret))


async def test_what_belongs_to_another_workspace_is_not_found(world: ApiWorld) -> None:
    """S35."""
    foreign = await world.store.read(access.authenticate, world.secrets["foreign"])
    assert isinstance(foreign, Caller)
    with pytest.raises(NotFound):
        await world.store.write(access.revoke_key, foreign, world.admin.token_id)
    token = await world.store.write(
        enrolment.create, world.admin, NewEnrolment(), access.new_secret(SecretKind.ENROLMENT)
    )
    with pytest.raises(NotFound):
        await world.store.write(enrolment.revoke, foreign, token.id)
