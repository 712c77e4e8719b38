"""Settings for people: the sample configuration, and what is in force and why (packaging §8, issue 6)."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from agent.config import Settings, Unit, find_settings, load_settings
from agent.config_shown import faults_beyond, home_source, in_force, sample, text_of
from agent.config_sources import variable
from agent.errors import SetupError
from agent.home import Membership

MEMBERSHIP = Membership(
    hub_url="https://hub.example.com:443",
    hub_id="hub_1",
    hub_key="00",
    runner_id="rnr_1",
    workspace="default",
    name="r",
    slots=3,
)


def entries() -> dict[str, list[str]]:
    """The sample's paragraphs by the setting's name: the lines above it."""
    paragraphs = [part.splitlines() for part in sample().split("\n\n")[1:]]
    return {lines[-1].removeprefix("# ").partition(" = ")[0]: lines[:-1] for lines in paragraphs}


def test_the_sample_has_every_setting_with_unit_variable_and_default() -> None:
    """One source of truth: the model."""
    told = entries()
    assert list(Settings.model_fields) == list(told)
    for name, field in Settings.model_fields.items():
        text = " ".join(line.removeprefix("# ") for line in told[name])
        assert any(isinstance(one, Unit) for one in field.metadata), f"{name} has no unit"
        assert str(field.description) in text
        assert f"variable: {variable(name)}; default: " in text
        assert ("default: not set" in text) is (field.default is None)


def test_bounds_are_told_in_words() -> None:
    """One that is left out of what may be said is said so."""
    assert any("unit: seconds, more than 0, to 86400;" in line for line in entries()["clock_limit"])
    assert any("unit: bots, 0 to 64;" in line for line in entries()["slots"])


def test_the_sample_is_a_file_that_is_read_and_says_the_defaults(tmp_path: Path) -> None:
    """As it stands it changes nothing; with every # taken away it says each default, or an example."""
    path = tmp_path / "agent.toml"
    path.write_text(sample())
    assert load_settings(tmp_path, {}, {}) == Settings()

    lines = [line.removeprefix("# ") for line in sample().splitlines()]
    values = "\n".join(line for line in lines if line.partition(" = ")[0] in Settings.model_fields)
    path.write_text(values)
    read = load_settings(tmp_path, {}, {})
    assert set(tomllib.loads(values)) == set(Settings.model_fields)
    for name, field in Settings.model_fields.items():
        value = getattr(read, name)
        assert value == field.default or (field.default is None and value == (field.examples or [])[0]), name


def test_each_value_says_where_it_comes_from(tmp_path: Path) -> None:
    """File, variable, option, enrolment, default; a secret is not shown."""
    file = tmp_path / "agent.toml"
    file.write_text('cache_limit = "30 GiB"\nlog_format = "json"\nkeep_output_hours = 2\n')
    environment = {"BOTYARD_AGENT_LOG_FORMAT": "text", "BOTYARD_AGENT_PROXY": "http://me:geheim@proxy:8"}
    found = find_settings(tmp_path, environment, {"log_level": "DEBUG"})
    rows = {row.name: (row.value, row.source) for row in in_force(tmp_path, "--home", found, MEMBERSHIP)}

    assert rows == {
        "home": (str(tmp_path), "--home"),
        "slots": ("3", "enrolment"),
        "mode": ('"service"', "default"),
        "ca": ("not set", "default"),
        "proxy": ("set, not shown", "BOTYARD_AGENT_PROXY"),
        "cache_limit": ('"30 GiB"', str(file)),
        "keep_free": ('"1 GiB"', "default"),
        "keep_memory": ('"256 MiB"', "default"),
        "clock_limit": ("60", "default"),
        "applications": ("{}", "default"),
        "output_limit": ('"10 GiB"', "default"),
        "keep_output_hours": ("2.0", str(file)),
        "desktops": ('"auto"', "default"),
        "desktop_count": ("not set", "default"),
        "desktop_size": ("not set", "default"),
        "desktop_dpi": ("not set", "default"),
        "desktop_server": ('"auto"', "default"),
        "window_manager": ('"auto"', "default"),
        "log_format": ('"text"', "BOTYARD_AGENT_LOG_FORMAT"),
        "log_level": ('"DEBUG"', "--log-level"),
    }
    assert "geheim" not in text_of(in_force(tmp_path, "--home", found, None), found.notes)
    assert ("not set", "default") == next(
        (row.value, row.source) for row in in_force(tmp_path, "--home", found, None) if row.name == "slots"
    )


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    """The setting, what it takes, and who said it; never the value of a secret."""
    (tmp_path / "agent.toml").write_text('slot = 1\nslots = 99\ncache_limit = 20\nkeep_free = "2 GiB"\n')
    environment = {"BOTYARD_AGENT_LOG_LEVEL": "loud", "BOTYARD_AGENT_SLOT": "1", "BOTYARD_AGENT_HOME": "/x"}
    found = find_settings(tmp_path, environment, {})
    text = "\n".join(found.faults)

    assert len(found.faults) == 4
    assert "setting slot: there is no such setting; did you mean slots?" in text
    assert f"setting slots: '99' is no number of them: say one from 0 to 64 (from {tmp_path / 'agent.toml'})" in text
    assert "setting cache_limit: say a number with its unit, as 20 GiB" in text
    assert "(from BOTYARD_AGENT_LOG_LEVEL)" in text
    assert found.notes == ("nobody reads the variable BOTYARD_AGENT_SLOT; did you mean BOTYARD_AGENT_SLOTS?",)
    assert found.settings.keep_free == 2 * 1024**3, "what is right counts"
    wrong = {row.name for row in in_force(tmp_path, "default", found, None) if row.value == "wrong"}
    assert wrong == {"slots", "cache_limit", "log_level"}
    with pytest.raises(SetupError, match=r"setting slots: .*setting cache_limit: .*setting log_level: "):
        load_settings(tmp_path, environment, {})


def test_a_file_that_is_no_toml_hides_no_other_fault(tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_text("slots = \n")
    found = find_settings(tmp_path, {"BOTYARD_AGENT_SLOTS": "many"}, {})
    assert ["cannot be read" in found.faults[0], "setting slots" in found.faults[1]] == [True, True]


def test_what_is_well_written_but_cannot_be_used_is_a_fault(tmp_path: Path) -> None:
    """An authority's file that is missing, a proxy of another kind: a daemon would end with 78."""
    found = find_settings(tmp_path, {}, {"ca": "none.pem", "proxy": "socks5://me:geheim@proxy"})
    faults = list(faults_beyond(tmp_path, found, MEMBERSHIP))
    assert [fault.partition(":")[0] for fault in faults] == [
        "setting ca",
        "the setting proxy is no proxy that can be used",
    ]
    assert "geheim" not in "".join(faults)
    assert list(faults_beyond(tmp_path, find_settings(tmp_path, {}, {}), None)) == []


def test_the_home_says_who_chose_it() -> None:
    environment = {"BOTYARD_AGENT_HOME": "/x"}
    assert [home_source("/y", environment), home_source(None, environment), home_source(None, {})] == [
        "--home",
        "BOTYARD_AGENT_HOME",
        "default",
    ]


def test_the_command_prints_both_and_ends_with_78_where_something_is_wrong(tmp_path: Path) -> None:
    """As typed; nothing is made in the home."""
    line = [sys.executable, "-P", "-m", "agent"]
    home = ["--home", str(tmp_path / "home")]

    done = subprocess.run([*line, "sample-config"], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, sample(), "")

    check = [*line, "run", "--check-config", "--slots", "2", *home]
    done = subprocess.run(check, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert next(word for word in done.stdout.splitlines() if word.startswith("slots")).split() == [
        "slots",
        "2",
        "--slots",
    ]
    assert not (tmp_path / "home").exists()

    environment = {"PATH": "/nowhere", "BOTYARD_AGENT_KEEP_FREE": "5", "BOTYARD_AGENT_CA": "none.pem"}
    environment |= {"BOTYARD_AGENT_DESKTOPS": "virtual", "BOTYARD_AGENT_DESKTOP_COUNT": "3"}
    done = subprocess.run(check, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert done.returncode == 78
    assert [line.partition(":")[2].split(":")[0] for line in done.stderr.splitlines()] == [
        " setting keep_free",
        " setting desktop_count",
        " setting desktops",
        " setting ca",
    ]
