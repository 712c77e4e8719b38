"""Things that have labels, kept by them: a need is put once to all that are labelled alike, however many they are."""

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from hub.domain.placement import fits

T = TypeVar("T")
_Labels = tuple[tuple[str, str], ...]


class Alike(Generic[T]):
    """Things by name, grouped by equal labels."""

    def __init__(self) -> None:
        self._groups: dict[_Labels, dict[str, T]] = {}

    def put(self, name: str, labels: Mapping[str, str], thing: T) -> None:
        """Keep it; one of the same name and labels makes room for it."""
        self._groups.setdefault(_key(labels), {})[name] = thing

    def drop(self, name: str, labels: Mapping[str, str]) -> None:
        """Keep it no longer, if it was kept under these labels."""
        key = _key(labels)
        group = self._groups.get(key)
        if group is not None and group.pop(name, None) is not None and not group:
            del self._groups[key]

    def fitting(self, needs: Mapping[str, str]) -> Iterator[T]:
        """All that meet the needs (`hub.domain.placement.fits`); they may be dropped on the way."""
        for labels, group in list(self._groups.items()):
            if fits(dict(labels), needs):
                yield from list(group.values())


def _key(labels: Mapping[str, str]) -> _Labels:
    return tuple(sorted(labels.items()))
