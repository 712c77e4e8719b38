"""`botyard-agent status` for people, of what the daemon says of itself."""

from collections.abc import Iterator, Sequence
from typing import Any

from agent.shim.bounds import size_text


def lines(answer: dict[str, Any]) -> Iterator[str]:
    """One line a subject; what a daemon of another version does not tell is left out."""
    state = "not running" if not answer["running"] else "linked" if answer["linked"] else "not linked"
    since = answer.get("linked_since")
    yield f"{answer['runner']} at {answer['hub']}: {state}{f' since {since}' if since else ''}"
    yield f"  {answer['id']} of workspace {answer['workspace']}, home {answer['home']}"
    if answer.get("unfit"):
        yield f"  takes no work: {'; '.join(answer['unfit'])}"
    if answer.get("problem"):
        yield f"  {answer['problem']}"
    if answer["running"]:
        yield f"  {answer['free']} of {answer['slots']} slots free, {answer['prepared']} builds prepared"
    if answer.get("version"):
        protocol = f", protocol {answer['protocol']}" if answer.get("protocol") else ""
        began = f", runs since {answer['running_since']}"
        yield f"  version {answer['version']}{protocol}, Python {answer['python']}{began}"
    if answer.get("spool"):
        spool = answer["spool"]
        kept = f"{spool['facts']} facts in {size_text(spool['bytes'])}"
        yield f"  spool: {kept}, output that the hub lacks: {size_text(spool['output_bytes'])}"
    if answer.get("desktop"):
        yield f"  desktop: {_desktop(answer['desktop'])}"
    yield from _virtual((answer.get("condition") or {}).get("desktops", ()))
    yield from _faults(answer.get("condition") or {})
    for one in answer.get("executions", []):
        trouble = f": {one['trouble']}" if one.get("trouble") else ""
        yield f"  {one['id']} {one['phase']}{trouble}"


def _virtual(desktops: Sequence[dict[str, Any]]) -> Iterator[str]:
    """One line for those that the runner made: which slots have one, as they are."""
    made = [
        f"slot {one['slot']} {one['name']}{' unfit' * bool(one['faults'])}" for one in desktops if one["is_virtual"]
    ]
    if made:
        yield f"  virtual desktops: {', '.join(made)}"


def _faults(condition: dict[str, Any]) -> Iterator[str]:
    """What was found wrong, since when, and what to do."""
    of = [("", condition.get("faults", ()))]
    of += [(f"slot {one['slot']}, {one['name']}: ", one["faults"]) for one in condition.get("desktops", ())]
    for where, faults in of:
        for fault in faults:
            yield f"  unfit: {where}{fault['message']} (since {fault['since']}); {fault['remedy']}".rstrip("; ")


def _desktop(said: dict[str, Any]) -> str:
    """Kind, name and size, or why there is none."""
    if said["problem"]:
        return f"{said['kind']} {said['name']}: {said['problem']}".replace(" :", ":")
    size = f", {said['width']}x{said['height']}" if said["width"] is not None else ""
    locked = ", locked" if said["is_locked"] else ""
    return f"{said['kind']} {said['name']}{size}{locked}"
