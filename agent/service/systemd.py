"""Units of systemd, as texts, and the command lines of systemctl. Tried on 252; each line was found the hard way.

What lets bots live through the end of the daemon: KillMode=process, a runtime folder that stays, no PrivateTmp.
"""

import re
from dataclasses import replace

from agent.mode import Mode
from agent.service.spec import NAME, SERVICE_HOME, SERVICE_USER, Command, File, Spec, Verb

UNIT = f"{NAME}.service"
PACKAGED_UNIT = f"/lib/systemd/system/{UNIT}"
"""Where a package of the system puts its unit: what stands in _SYSTEM_UNITS counts before it."""
_SYSTEM_UNITS = "/etc/systemd/system"
_SYSUSERS = f"/etc/sysusers.d/{NAME}.conf"
_SAFE = re.compile(r"[A-Za-z0-9_@%+=:,./~-]+")
_ANY = None
_GONE = frozenset({0, 6})
"""userdel: done, or there is no such user."""
_HARDENING = """\
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=yes
PrivateDevices=yes
PrivateMounts=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
RestrictSUIDSGID=yes
RestrictRealtime=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=~@clock @cpu-emulation @module @obsolete @raw-io @reboot @swap
SystemCallErrorNumber=EPERM
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
"""
# Not @system-service less @privileged (Xvfb's keymap), not RestrictNamespaces (Chromium's sandbox), not
# MemoryDenyWriteExecute (bots that compile while they run).


def files(spec: Spec) -> tuple[File, ...]:
    """The unit; beside it the service's own user, or what starts it in desktops without graphical-session.target."""
    if spec.mode is Mode.SESSION:
        unit = File(path=f"{spec.definitions}/systemd/user/{UNIT}", text=_session_unit(spec))
        return (unit, File(path=f"{spec.definitions}/autostart/{NAME}.desktop", text=_AUTOSTART))
    unit = File(path=f"{_SYSTEM_UNITS}/{UNIT}", text=_service_unit(spec))
    user = File(path=_SYSUSERS, text=f'u {SERVICE_USER} - "Botyard agent" {SERVICE_HOME}\n')
    return (unit, user) if spec.user == SERVICE_USER else (unit,)


def commands(verb: Verb, spec: Spec) -> tuple[Command, ...]:
    """What is run for a step."""
    ctl = ("systemctl",) if spec.mode is Mode.SERVICE else ("systemctl", "--user")

    def of(*words: str) -> Command:
        return Command(argv=(*ctl, *words))

    match verb:
        case Verb.CHECK:
            return (of("show", "--property=Version"),)
        case Verb.PREPARE | Verb.OWN | Verb.PURGE:
            return _of_user(verb, spec)
        case Verb.LOAD:
            return (of("daemon-reload"), of("--quiet", "enable", UNIT))
        case Verb.START | Verb.RESTART | Verb.STOP:
            return (of(str(verb), UNIT),)
        case Verb.UNLOAD:
            # What lived on after an earlier stop stands in the unit's group; without one it says so and fails.
            rest = Command(argv=(*ctl, "--quiet", "kill", "--signal=SIGKILL", UNIT), ok=_ANY)
            return (of("--quiet", "disable", "--now", UNIT), rest)
        case Verb.FORGET:
            return (of("daemon-reload"), Command(argv=(*ctl, "--quiet", "reset-failed", UNIT), ok=_ANY))
        case Verb.STATE:
            return (Command(argv=(*ctl, "show", "--property=ActiveState,StatusText", UNIT), ok=_ANY),)


def paths(spec: Spec, *, purge: bool) -> tuple[str, ...]:
    """Files that an uninstall removes; while the service's user stays, what declares it stays."""
    if spec.mode is Mode.SESSION:
        return tuple(file.path for file in files(spec))
    return (f"{_SYSTEM_UNITS}/{UNIT}", *((_SYSUSERS,) if purge else ()))


def leftovers(spec: Spec) -> tuple[str, ...]:
    """Folders that a purge removes beside the home: the runtime folder stays behind for bots that live on."""
    return (f"/run/{NAME}",) if spec.mode is Mode.SERVICE else ()


def is_running(code: int, output: str) -> bool:
    """Whether `systemctl show` tells of a main process."""
    words = {"ActiveState=active", "ActiveState=activating", "ActiveState=reloading"}
    return code == 0 and not words.isdisjoint(output.split("\n"))


def link_told(output: str) -> bool | None:
    """What the daemon told its manager (`agent/daemon/signs.py`), which anybody may read."""
    told = {"StatusText=linked": True, "StatusText=not linked": False}
    return next((value for line in output.split("\n") for start, value in told.items() if line.startswith(start)), None)


def as_installed(spec: Spec, text: str) -> Spec:
    """`spec` with the home and the user that a unit names."""
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    home = values.get("WorkingDirectory", "").removeprefix("-").replace("%%", "%")
    return replace(spec, home=home or spec.home, user=values.get("User") or spec.user)


def logs(spec: Spec) -> str:
    """The journal's command."""
    return f"journalctl {'' if spec.mode is Mode.SERVICE else '--user '}-u {NAME}"


def _of_user(verb: Verb, spec: Spec) -> tuple[Command, ...]:
    """What has to do with a service's user; a session's is there, and owns its home."""
    if spec.mode is Mode.SESSION:
        return ()
    ours = spec.user == SERVICE_USER
    if verb is Verb.OWN:
        return (Command(argv=("chown", "-hR", f"{spec.user}:", spec.home)),)
    if verb is Verb.PURGE:
        return (Command(argv=("userdel", spec.user), ok=_GONE, tries=5),) if ours else ()
    folder = Command(argv=("install", "-d", "-m", "0700", "-o", spec.user, spec.home))
    return (Command(argv=("systemd-sysusers", _SYSUSERS)), folder) if ours else (folder,)


def _service_unit(spec: Spec) -> str:
    own = spec.home == SERVICE_HOME
    writable = ["/tmp", "/var/tmp"] + ([] if own else [_plain(spec.home)])  # noqa: S108 - bots may use them, as everywhere
    state = f"StateDirectory={NAME}\nStateDirectoryMode=0700\n" if own else ""
    return f"""\
[Unit]
Description=Botyard agent: runs bots for a Botyard hub
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0
# A machine that is no runner yet has nothing to do, and nothing that failed.
ConditionPathExists={_plain(f"{spec.home}/identity.json")}

[Service]
User={spec.user}
{_start(spec)}\
OOMScoreAdjust=-500
UMask=0077
{state}\
RuntimeDirectory={NAME}
RuntimeDirectoryMode=0700
RuntimeDirectoryPreserve=yes
ReadWritePaths={" ".join(map(_quoted, writable))}
ExecStopPost=-:/bin/sh -c {_quoted(_hand_back("/sys/fs/cgroup/system.slice/%n"))}
{_HARDENING}
[Install]
WantedBy=multi-user.target
"""


def _session_unit(spec: Spec) -> str:
    group = "/sys/fs/cgroup/user.slice/user-%U.slice/user@%U.service/app.slice/%n"
    return f"""\
[Unit]
Description=Botyard agent: runs bots on this desktop for a Botyard hub
PartOf=graphical-session.target
After=graphical-session.target
StartLimitIntervalSec=0

[Service]
{_start(spec)}\
ExecStopPost=-:/bin/sh -c {_quoted(_hand_back(group))}

[Install]
WantedBy=graphical-session.target
"""


def _start(spec: Spec) -> str:
    # Relative to 0 = asked to stop, 75 = again, 78 = only a person can mend it.
    line = " ".join(_quoted(_plain(word)) for word in spec.argv)
    return f"""\
Type=notify
NotifyAccess=main
WatchdogSec=90
ExecStart=:{line}
WorkingDirectory=-{_plain(spec.home)}
Restart=on-failure
RestartSec=2
RestartPreventExitStatus=78
TimeoutStopSec=90
KillMode=process
Delegate=yes
OOMPolicy=continue
"""


def _hand_back(group: str) -> str:
    """A group that hands controllers down takes no next main process: hand none down, also after a crash."""
    control = f"{group}/cgroup.subtree_control"
    return f"for c in $(cat {control}); do echo -$c >{control}; done"


def _plain(value: str) -> str:
    return value.replace("%", "%%")


def _quoted(value: str) -> str:
    """One word of a unit file."""
    if _SAFE.fullmatch(value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


_AUTOSTART = f"""\
[Desktop Entry]
Type=Application
Name=Botyard agent
Comment=Runs bots on this desktop for a Botyard hub
Exec=sh -c "systemctl --user import-environment DISPLAY XAUTHORITY WAYLAND_DISPLAY; systemctl --user start {UNIT}"
X-GNOME-Autostart-enabled=true
NoDisplay=true
"""
