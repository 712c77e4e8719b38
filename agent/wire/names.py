"""What names, labels and slots can be at all: commands refuse anything else before they ask the hub. No library."""

import re

RUNNER_NAME = re.compile(r"[^\W_][\w .@+-]{0,99}\Z")
RUNNER_NAME_FORM = "begin with a letter or digit, then letters, digits, blanks or _ . @ + -, 100 in all"
LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}\Z")
"""A label's name, and its value."""
LABEL_FORM = "name=value, each letters, digits, _ . or -"
SLOTS_MAX = 64


def is_runner_name(name: str) -> bool:
    """Whether a runner may be called so; an id's form is nobody's name."""
    return RUNNER_NAME.match(name) is not None and not name.startswith("rnr_")
