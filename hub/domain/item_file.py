"""Which files an item may have: names that are safe in every folder, so many, so large together."""

from collections.abc import Sequence

from agent.wire.paths import UnsafePathError, check_path, collision_key
from agent.wire.uploads import ARTIFACT_MAX_BYTES, ARTIFACTS_MAX_BYTES
from hub.domain.parameters import Fault

FILES_MAX = 100
"""Of one item."""
FILE_MAX_BYTES = ARTIFACT_MAX_BYTES
FILES_MAX_BYTES = ARTIFACTS_MAX_BYTES


def name_fault(name: str, field: str) -> Fault | None:
    """What is wrong with a file's name: it has no folders, and means the same on every system (S38)."""
    try:
        check_path(name)
    except UnsafePathError as error:
        return Fault(field=field, message=str(error), remedy="a plain name such as invoice.pdf")
    if "/" in name:
        return Fault(field=field, message="has folders in it", remedy="a plain name such as invoice.pdf")
    return None


def names_faults(names: Sequence[str], field: str) -> list[Fault]:
    """What is wrong with the names of an item's files, all at once."""
    told = [name_fault(name, f"{field}.{index}.name") for index, name in enumerate(names)]
    faults = [one for one in told if one is not None]
    seen: dict[str, int] = {}
    for index, name in enumerate(names):
        first = seen.setdefault(collision_key(name), index)
        if first != index:
            faults.append(Fault(field=f"{field}.{index}.name", message="is there twice", remedy="name each once"))
    if len(names) > FILES_MAX:
        faults.append(Fault(field=field, message=f"{len(names)} files", remedy=f"at most {FILES_MAX} of one item"))
    return faults


def room_fault(others: Sequence[int], size: int) -> Fault | None:
    """Why a file of `size` bytes has no place beside others of these sizes."""
    if len(others) >= FILES_MAX:
        return Fault(field="files", message=f"the item has {len(others)} files", remedy="remove one first")
    if sum(others) + size > FILES_MAX_BYTES:
        text = f"together more than {FILES_MAX_BYTES} bytes"
        return Fault(field="files", message=text, remedy="remove one first, or leave large ones where they are")
    return None
