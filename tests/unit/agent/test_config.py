"""Settings: file, environment, command line; the later ones win, a typing error is found (style §2.9)."""

from pathlib import Path

import pytest

from agent.config import find_settings, home_folder, load_settings
from agent.errors import SetupError


def test_the_command_line_wins_over_environment_over_file(tmp_path: Path) -> None:
    """Packaging §3."""
    (tmp_path / "agent.toml").write_text('slots = 2\nlog_format = "json"\nlog_level = "ERROR"\n')
    environment = {"BOTYARD_AGENT_SLOTS": "3", "BOTYARD_AGENT_LOG_LEVEL": "DEBUG", "BOTYARD_AGENT_HOME": "/x"}
    settings = load_settings(tmp_path, environment, {"slots": 4})
    assert (settings.slots, settings.log_format, settings.log_level) == (4, "json", "DEBUG")


def test_the_machine_says_less_than_the_home(tmp_path: Path) -> None:
    """Packaging §3: one file for every home of a machine, each of which may say it otherwise; its faults are named."""
    machine, home = tmp_path / "machine.toml", tmp_path / "home"
    machine.write_text('slots = 2\nlog_format = "json"\nslot = 1\n')
    home.mkdir()
    (home / "agent.toml").write_text("slots = 3\n")

    found = find_settings(home, {}, {}, machine)

    assert (found.settings.slots, found.settings.log_format) == (3, "json")
    assert {"slots": str(home / "agent.toml"), "log_format": str(machine)}.items() <= {
        name: one.source for name, one in found.given.items()
    }.items()
    assert [str(machine) in fault for fault in found.faults] == [True]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("slots = 99", "slots: '99' is no number of them: say one from 0 to 64"),
        ("slots = -1", "slots: '-1' is no number of them: say one from 0 to 64"),
        ("slots = 1.5", "slots: '1.5' is no number of them"),
        ("slots = true", "slots: 'True' is no number of them"),
        ("desktop_count = 100000", "desktop_count: '100000' is no number of them"),
        (
            'desktop_size = "big"',
            "desktop_size: 'big' is no size: say WIDTHxHEIGHT in pixels, as 1920x1080",
        ),
        ("desktop_size = 1280", "desktop_size: '1280' is no size: say WIDTHxHEIGHT"),
        ('desktop_size = "1280X720"', "desktop_size: '1280X720' is no size: say WIDTHxHEIGHT"),
        ('desktop_size = "0x0"', "desktop_size: '0x0' is no size: .* from 320x200 to 16384x16384"),
        ("clock_limit = 0", "clock_limit: it must be greater than 0"),
        ("slot = 1", "slot"),
        ("slots = ", "cannot be read"),
        ("cache_limit = 20", "cache_limit: .*as 20 GiB"),
        ('cache_limit = "20 %"', "cache_limit: .*as 20 GiB"),
        ('applications = {"SAP Logon" = "/opt/sap"}', "'SAP Logon' is no application's name: say small letters"),
        ('cache_limit = "-1 GB"', "cache_limit: .*as 20 GiB"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, why: str) -> None:
    """78: a bad setting."""
    (tmp_path / "agent.toml").write_text(text)
    with pytest.raises(SetupError, match=why):
        load_settings(tmp_path, {}, {})


def test_the_home_is_the_argument_the_variable_or_the_users(tmp_path: Path) -> None:
    """Design §5: locations by platformdirs; overridden by --home, BOTYARD_AGENT_HOME."""
    environment = {"BOTYARD_AGENT_HOME": str(tmp_path)}
    assert home_folder("/somewhere", environment) == Path("/somewhere")
    assert home_folder(None, environment) == tmp_path
    assert home_folder(None, {}).name == "botyard-agent"


@pytest.mark.parametrize(
    ("text", "size"), [('"30 GiB"', 30 * 2**30), ('"500MB"', 500_000_000), ('"1.5 GiB"', 3 * 2**29)]
)
def test_a_size_has_a_unit(tmp_path: Path, text: str, size: int) -> None:
    """What builds and environments may take: a size without a unit would cost all of them."""
    (tmp_path / "agent.toml").write_text(f"cache_limit = {text}\n")
    assert size == load_settings(tmp_path, {}, {}).cache_limit
    assert 20 * 2**30 == load_settings(tmp_path / "none", {}, {}).cache_limit
