"""Which runner may run what: an automation's needs against a runner's labels.

A need is a label that must be there: ``{"os": "windows"}`` is met by ``os=windows``; an empty value, ``{"sap": ""}``,
by any value of ``sap``.
"""

from collections.abc import Iterable, Mapping


def fits(labels: Mapping[str, str], needs: Mapping[str, str]) -> bool:
    """Whether a runner with these labels meets all needs."""
    return all(_meets(labels, name, value) for name, value in needs.items())


def unmet(every_labels: Iterable[Mapping[str, str]], needs: Mapping[str, str]) -> tuple[str, ...]:
    """The needs that no single one of the given runners meets, as ``name=value``; for telling people what is missing.

    Empty when each need is met by somebody, though perhaps not all by the same runner.
    """
    runners = list(every_labels)
    return tuple(
        f"{name}={value}" if value else name
        for name, value in sorted(needs.items())
        if not any(_meets(labels, name, value) for labels in runners)
    )


def _meets(labels: Mapping[str, str], name: str, value: str) -> bool:
    return name in labels and value in ("", labels[name])
