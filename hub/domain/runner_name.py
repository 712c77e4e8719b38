"""What a runner may be called: a name that people type and that stands in paths and tables."""

import re

from hub.domain.parameters import Fault

NAME = re.compile(r"[^\W_][\w .@+-]{0,99}\Z")


def name_faults(name: str) -> list[Fault]:
    """What is wrong with a runner's name; empty when it can stand. An id's form is nobody's name."""
    if NAME.match(name) and not name.startswith("rnr_"):
        return []
    remedy = "begin with a letter or digit, then letters, digits, blanks or _ . @ + -, 100 in all; say --name"
    return [Fault(field="name", message=f"{name[:64]!r} can't be a runner's name", remedy=remedy)]
