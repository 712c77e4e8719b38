"""A machine with both packages, made once for the module that asks for it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packaging.machine import Machine, booted, why_not
from tests.packaging.world import NEWER, World, build_debs, settled


@pytest.fixture(scope="session")
def debs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The packages of this tree."""
    _need_machine()
    return build_debs(tmp_path_factory.mktemp("debs"))


@pytest.fixture(scope="session")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runner's package of a later version."""
    _need_machine()
    return build_debs(tmp_path_factory.mktemp("newer"), "-v", NEWER, "botyard-agent")["botyard-agent"]


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """A booted machine with nothing of ours on it."""
    _need_machine()
    # Not below pytest's own folder, which it walks through to tidy up.
    with tempfile.TemporaryDirectory(prefix="botyard-machine-") as folder, booted(Path(folder) / "machine") as made:
        yield made


@pytest.fixture(scope="module")
def world(machine: Machine, debs: dict[str, Path]) -> Iterator[World]:
    """Hub and runner installed, linked, with the bot deployed."""
    with settled(World(machine), debs) as made:
        yield made


def _need_machine() -> None:
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
