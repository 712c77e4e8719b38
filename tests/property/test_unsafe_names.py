"""Whatever a name is: it is refused, or it lies inside its folder on every system (S24)."""

import ntpath
import posixpath

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.wire.paths import UnsafePathError, check_path
from hub.domain.unpacking import ArchiveEntry, ArchiveError, EntryType, plan

_PARTS = st.one_of(
    st.sampled_from(["..", ".", "", "a", "C:", "con", "a.", "b ", "nul.txt", "\\", "\\\\?\\x", "x:y", "\0", "~", "A"]),
    st.text(max_size=8),
)
_NAMES = st.one_of(st.text(max_size=40), st.lists(_PARTS, max_size=6).map("/".join))


def lies_inside(path: str) -> bool:
    """Whether a name stays below its folder by the rules of both families of systems."""
    on_posix = posixpath.normpath(posixpath.join("/root", path)).startswith("/root/")
    on_windows = ntpath.normpath(ntpath.join("C:\\root", path)).lower().startswith("c:\\root\\")
    return on_posix and on_windows


@settings(max_examples=1000, deadline=None)
@given(name=_NAMES)
def test_a_name_that_passes_stays_inside(name: str) -> None:
    try:
        check_path(name)
    except UnsafePathError:
        return
    assert lies_inside(name)
    assert ntpath.normpath(name) == name.replace("/", "\\")


@settings(max_examples=500, deadline=None)
@given(
    names=st.lists(_NAMES, min_size=1, max_size=5), types=st.lists(st.sampled_from(EntryType), min_size=5, max_size=5)
)
def test_a_plan_holds_only_names_that_stay_inside(names: list[str], types: list[EntryType]) -> None:
    entries = [
        ArchiveEntry(position=number, name=name, type=type_, size=1)
        for number, (name, type_) in enumerate(zip(names, types, strict=False))
    ]
    try:
        planned = plan(entries, packed_bytes=1000)
    except ArchiveError:
        return
    assert all(lies_inside(path) for path in [*(file.path for file in planned.files), *planned.folders])
    assert len(planned.files) == len({file.path.casefold() for file in planned.files})
