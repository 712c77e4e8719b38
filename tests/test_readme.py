"""README says what the programs know: every setting with its default (style §2.9, issue 4)."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel, ByteSize
from pydantic.fields import FieldInfo

from agent.config import Settings as OfRunner
from agent.config import load_settings
from agent.config_sources import PREFIX
from hub.config import Settings as OfHub
from tests.support.rig import ROOT

IN_WORDS = {"the user's data folder", "none", "a file in `data`", "as enrolled"}
"""Of settings that have no default of their own."""


def rows(heading: str) -> dict[str, str]:
    """Name and default of each setting in the table that begins so."""
    text = (ROOT / "README.md").read_text().partition("\n## Configuration\n")[2].partition("\n## ")[0]
    table = text.partition(f"| {heading} | default | |\n")[2].partition("\n\n")[0]
    return dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \| ", table, re.MULTILINE))


@pytest.mark.parametrize(("heading", "settings"), [("hub", OfHub), ("runner", OfRunner)])
def test_every_setting_stands_in_the_readme_with_its_default(heading: str, settings: type[BaseModel]) -> None:
    """One declaration a field: README's table has all of them, no other, and the same defaults."""
    told = rows(heading)
    assert list(settings.model_fields) == list(told)
    for name, field in settings.model_fields.items():
        expected = shown(field)
        assert told[name] in IN_WORDS if expected is None else told[name] == f"`{expected}`", name


def shown(field: FieldInfo) -> str | None:
    """The default as people write it; None where there is none."""
    value = field.default
    match value:
        case bool():
            return str(value).lower()
        case ByteSize():
            return value.human_readable(separator=" ").replace(".0", "")
        case int() | float():
            return f"{value:g}"
        case str() if value:
            return value
        case _:
            return None


def test_sizes_and_variables_are_read_as_the_readme_writes_them(tmp_path: Path) -> None:
    """What stands in README can be copied: `agent.toml`, and a variable that wins over it."""
    told = {name: default.strip("`") for name, default in rows("runner").items() if default not in IN_WORDS}
    lines = [f"{name} = {value if value.isdigit() else chr(34) + value + chr(34)}" for name, value in told.items()]
    (tmp_path / "agent.toml").write_text("\n".join(lines))
    assert load_settings(tmp_path, {}, {}) == OfRunner()
    assert load_settings(tmp_path, {f"{PREFIX}KEEP_FREE": "2 GiB"}, {}).keep_free == 2 * 1024**3
