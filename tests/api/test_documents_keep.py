"""Random definitions of every kind: what is exported of them changes nothing, and makes the same elsewhere."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hub.api.documents import KINDS
from hub.domain.documents.yaml_reading import read
from hub.domain.documents.yaml_writing import written
from tests.support.api_hub import ApiWorld, api_world
from tests.support.clock import FakeClock
from tests.support.random_documents import Made

SEEDS = range(5)
MANY = range(40)


@pytest.fixture
async def elsewhere(sqlite_url: str, tmp_path: Path) -> AsyncIterator[ApiWorld]:
    """A second hub, which has the same bot."""
    clock = FakeClock()
    clock.advance(3600.0)  # what counts from its making must not move
    async with api_world(f"{sqlite_url}.elsewhere", clock, tmp_path / "elsewhere") as made:
        yield made


async def export(world: ApiWorld) -> list[dict[str, Any]]:
    """Everything, by way of YAML."""
    found = read(written((await world.get("/export?limit=500"))["items"]))
    assert [] == found.faults
    return [one.value for one in found.documents]


async def make(world: ApiWorld, made: Made) -> None:
    """All of it, each on its own route."""
    for kind, bodies in made.bodies.items():
        for body in bodies:
            status, answer = await world.call("POST", f"/{kind}s", json=body)
            assert 201 == status, (body, answer)


async def apply(world: ApiWorld, documents: list[dict[str, Any]]) -> list[Any]:
    """The steps that changed something."""
    status, plan = await world.call("POST", "/apply", json={"documents": documents})
    assert 200 == status, plan
    return [step for step in plan["steps"] if step["action"] != "unchanged"]


@pytest.mark.parametrize("seed", SEEDS)
async def test_an_export_changes_nothing_and_makes_the_same_elsewhere(
    world: ApiWorld, elsewhere: ApiWorld, seed: int
) -> None:
    """Issue 5: idempotent, for every kind and every member."""
    await make(world, Made(seed))
    documents = await export(world)
    assert "4711-secret" not in str(documents)
    assert [] == await apply(world, documents)
    assert documents == await export(world)
    assert [] != await apply(elsewhere, documents)
    assert written(documents) == written(await export(elsewhere))
    assert [] == await apply(elsewhere, documents)


async def test_from_any_state_to_any_other(world: ApiWorld) -> None:
    """What is there after an apply is what the documents say, whatever was there before; and then nothing changes."""
    for seed in SEEDS:
        made = Made(seed)
        for triggers in made.bodies["trigger"]:
            triggers.setdefault("paused", False)
        for automations in made.bodies["automation"]:
            automations.setdefault("state", "active")
        documents = [{"kind": kind, **body} for kind, bodies in made.bodies.items() for body in bodies]
        status, plan = await world.call("POST", "/apply", json={"documents": documents})
        assert 200 == status, (seed, plan)
        again = await apply(world, documents)
        assert [] == [(one["label"], one["changes"]) for one in again], seed
        assert [] == await apply(world, await export(world)), seed


def test_every_member_of_every_document_came_up() -> None:
    """A member that joins the API joins documents too: it has to be added to the random ones, and then it is tested."""
    for kind, about in KINDS.items():
        came = {name for seed in MANY for body in Made(seed).bodies[kind] for name in body}
        assert set(about.model.model_fields) - {"kind"} == came, kind
