"""What a runner may be called: a name that people type and that stands in paths and tables."""

from agent.wire.names import RUNNER_NAME_FORM, is_runner_name
from hub.domain.parameters import Fault


def name_faults(name: str) -> list[Fault]:
    """What is wrong with a runner's name; empty when it can stand. An id's form is nobody's name."""
    if is_runner_name(name):
        return []
    remedy = f"{RUNNER_NAME_FORM}; say --name"
    return [Fault(field="name", message=f"{name[:64]!r} can't be a runner's name", remedy=remedy)]
