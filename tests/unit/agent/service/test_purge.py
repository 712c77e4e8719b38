"""Which folders a purge never removes: roots, other people's, and those with anything else in them."""

from functools import partial

import pytest

from agent.errors import SetupError
from tests.unit.agent.service.machine import MemoryGround, spec
from tests.unit.agent.service.test_acting import Bench


def test_purge_removes_no_folder_that_is_no_runners() -> None:
    bench = Bench(MemoryGround(files={"/srv/data/letters.txt": "…"}), spec(home="/srv/data"), enrolled=False)

    with pytest.raises(SetupError, match="no runner's folder"):
        bench.service.uninstall(purge=True)

    assert "/srv/data/letters.txt" in bench.ground.files


@pytest.mark.parametrize("home", ["/", "/home", "/srv", "/srv/botyard/..", "/srv/files"])
def test_a_purge_removes_no_folder_that_is_not_a_runners_alone(home: str) -> None:
    """A root has a folder `home`, and anybody's may have one: that makes neither a runner's. Seen also by --print."""
    files = {f"{home.rstrip('/')}/{name}": "x" for name in ("home/ada/letter", "etc/passwd")}
    bench = Bench(MemoryGround(files=dict(files)), spec(home=home), enrolled=False)

    for act in (bench.service.uninstall, lambda *, purge: bench.service.preview("uninstall", purge=purge)):
        with pytest.raises(SetupError, match="is no runner's folder"):
            act(purge=True)

    assert (files, []) == (bench.ground.files, bench.ground.ran)


def test_a_purge_of_a_root_is_refused_also_where_somebody_enrolled_it() -> None:
    bench = Bench(MemoryGround(files={"/identity.json": "{}"}), spec(home="/"), enrolled=False)

    with pytest.raises(SetupError, match="is no runner's folder"):
        bench.service.uninstall(purge=True)
    assert bench.ground.files


@pytest.mark.parametrize("word", ["uninstall", "preview"])
def test_a_purge_removes_no_folder_with_anything_else_in_it(word: str) -> None:
    """Somebody enrolled their own home folder: its letters are no runner's."""
    names = ("identity.json", "key", "home", "spool.db-wal", ".key.0a1b.tmp", "letters/to-ada.txt", "photo.jpg")
    bench = Bench(MemoryGround(files={f"/home/ada/{name}": "{}" for name in names}), spec(home="/home/ada"))
    before = dict(bench.ground.files)

    with pytest.raises(SetupError, match=r"/home/ada holds what no runner made \(letters, photo.jpg\): move that"):
        (bench.service.uninstall if word == "uninstall" else partial(bench.service.preview, "uninstall"))(purge=True)

    assert (before, []) == (bench.ground.files, bench.ground.ran)
