"""A purge takes the program, where one pasted line has put it, and nobody else's (issue 6: leaves nothing behind)."""

from pathlib import Path

import pytest

from agent.service.program import remove_program


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """As an installation leaves it."""
    made = tmp_path / "opt" / "botyard-agent"
    (made / "versions" / "1" / "bin").mkdir(parents=True)
    (made / "current").symlink_to("versions/1")
    return made


def test_all_versions_and_the_link_go(prefix: Path, tmp_path: Path) -> None:
    ours, foreign = tmp_path / "ours", tmp_path / "foreign"
    ours.symlink_to(prefix / "current" / "bin" / "botyard-agent")
    foreign.symlink_to("/usr/bin/botyard-agent")
    remove_program(print, prefix / "current", (ours, foreign, tmp_path / "none"))
    assert ["foreign", "opt"] == sorted(path.name for path in tmp_path.iterdir())
    assert [] == list(prefix.parent.iterdir())


def test_a_virtual_environment_of_somebody_stays(prefix: Path, tmp_path: Path) -> None:
    real = tmp_path / "botyard-agent" / "current"
    real.mkdir(parents=True)
    (real.parent / "versions").mkdir()
    for root in (prefix / "versions" / "1", real, tmp_path):
        remove_program(print, root, ())
        assert root.is_dir()
