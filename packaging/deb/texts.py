"""Writes what a package has of the program itself: units, the user, the settings. So they can't drift apart.

python packaging/deb/texts.py botyard-agent|botyard-hub FOLDER
"""

import re
import sys
from pathlib import Path

from agent.config_shown import sample
from agent.service import systemd
from agent.service.spec import SERVICE_HOME, SERVICE_USER, Mode, Spec, System
from hub.config import Settings

UNITS = Path(__file__).parents[1] / "systemd"
_OPEN, _SECRET = 0o644, 0o640
_SECRETS = frozenset({"/etc/botyard-hub/hub.env"})
"""A database's password may stand there; systemd reads it as root, before the hub's user is taken."""


def main(package: str, folder: Path) -> None:
    """Write the texts of a package below `folder`, where they will lie on the machine."""
    for path, text in (_agent() if package == "botyard-agent" else _hub()).items():
        file = folder / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        file.chmod(_SECRET if path in _SECRETS else _OPEN)
        file.write_text(text)


def _agent() -> dict[str, str]:
    spec = Spec(
        system=System.LINUX,
        mode=Mode.SERVICE,
        python="/opt/botyard-agent/current/bin/python3",
        home=SERVICE_HOME,
        user=SERVICE_USER,
        definitions="",
    )
    unit, user = systemd.files(spec)
    return {
        systemd.PACKAGED_UNIT: unit.text,
        f"/usr/lib/sysusers.d/{SERVICE_USER}.conf": user.text,
        "/etc/botyard-agent/agent.toml": sample(machine=True),
    }


def _hub() -> dict[str, str]:
    return {
        "/lib/systemd/system/botyard-hub.service": (UNITS / "botyard-hub.service").read_text(),
        "/usr/lib/sysusers.d/botyard-hub.conf": 'u botyard-hub - "Botyard hub" /var/lib/botyard-hub\n',
        "/etc/botyard-hub/hub.env": _hub_settings(),
    }


def _hub_settings() -> str:
    """Every setting of the hub with its meaning and default, as variables that its unit reads."""
    head = "# Settings of the hub: take the # away to change one, then systemctl restart botyard-hub.\n"
    entries = []
    for name, field in Settings.model_fields.items():
        if name == "data":
            continue  # the unit's, together with StateDirectory
        value = "" if field.default is None else str(field.default)
        shown = re.sub(r"^(True|False)$", lambda word: word[0].lower(), value)
        entries.append(f"\n# {field.description}\n# BOTYARD_HUB_{name.upper()}={shown}\n")
    return head + "".join(entries)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
