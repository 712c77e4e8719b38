"""Desktops of a runner that is linked to another hub: pictures don't travel between hubs, and that is said."""

from tests.support.api_hub import ApiWorld


async def test_another_hubs_runner_is_refused_in_words(each_world: ApiWorld) -> None:
    """On PostgreSQL several hubs share the work; who asks the wrong one is told which is the right one."""
    for method, what in (("GET", "screenshot"), ("GET", "live"), ("POST", "views")):
        status, problem = await each_world.call(method, f"/runners/desk-1/desktops/0/{what}")
        assert (status, problem["code"], problem["details"]) == (409, "other_hub", {"hub": "hub_1"})
