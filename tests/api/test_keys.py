"""Keys and workspaces: nobody gives more than they have, nobody locks everybody out (S7, S35)."""

from typing import Any

from tests.support.api_hub import ApiWorld


async def test_a_key_is_never_given_more_than_its_maker_has(world: ApiWorld) -> None:
    status, problem = await world.call("POST", "/keys", json={"name": "x", "role": "admin", "instance": True})
    assert (403, "key_role") == (status, problem["code"])


async def test_the_last_admin_can_not_lock_everybody_out(world: ApiWorld) -> None:
    keys = (await world.get("/keys", "foreign"))["items"]
    status, problem = await world.call("POST", f"/keys/{keys[0]['id']}/revoke", "foreign")
    assert (409, "last_admin") == (status, problem["code"])


async def test_a_revoked_key_is_refused_at_once(world: ApiWorld) -> None:
    keys = (await world.get("/keys"))["items"]
    operator = next(key["id"] for key in keys if key["name"] == "the operator")
    assert 200 == (await world.call("GET", "/me", "operator"))[0]
    await world.call("POST", f"/keys/{operator}/revoke")
    assert 401 == (await world.call("GET", "/me", "operator"))[0]


async def test_an_instance_admin_makes_workspaces_whose_admin_sees_only_them(world: ApiWorld) -> None:
    status, made = await world.call("POST", "/workspaces", "instance", json={"label": "third"})
    assert 201 == status
    world.secrets["third"] = made["key"]
    me = await world.get("/me", "third")
    assert ("third", "admin") == (me["workspace"], me["role"])
    assert [] == (await world.get("/tasks", "third"))["items"]
    labels = [one["label"] for one in (await world.get("/workspaces", "instance"))["items"]]
    assert ["default", "foreign", "third"] == labels


def _short(answer: tuple[int, Any]) -> tuple[int, str]:
    return answer[0], answer[1]["code"]
