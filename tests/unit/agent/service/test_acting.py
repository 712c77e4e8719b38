"""Install, uninstall, start, stop, status: what is done to a machine, in which order, and twice."""

from collections.abc import Callable

import pytest

from agent.errors import AgentError, SetupError, UsageError
from agent.mode import Mode
from agent.service import systemd
from agent.service.acting import NotInstalledError, Service
from agent.service.spec import SERVICE_HOME, Spec, System
from tests.unit.agent.service.machine import HOMES, MemoryGround, spec

UNIT = "/etc/systemd/system/botyard-agent.service"
SYSUSERS = "/etc/sysusers.d/botyard-agent.conf"
CHECK = "systemctl show --property=Version"
PREPARE = [f"systemd-sysusers {SYSUSERS}", f"install -d -m 0700 -o botyard-agent {SERVICE_HOME}"]
LOAD = ["systemctl daemon-reload", "systemctl --quiet enable botyard-agent.service"]


class Bench:
    """A machine, and what was said on it."""

    def __init__(self, ground: MemoryGround | None = None, one: Spec | None = None, *, enrolled: bool = True) -> None:
        self.spec = one or spec()
        self.ground = ground or MemoryGround(admin=self.spec.mode is Mode.SERVICE)
        self.said: list[str] = []
        if enrolled:
            separator = "\\" if self.spec.system is System.WINDOWS else "/"
            self.ground.files[f"{self.spec.home}{separator}identity.json"] = "{}"

    @property
    def service(self) -> Service:
        """As each command finds it."""
        self.ground.ran.clear()
        self.said.clear()
        return Service(self.spec, self.ground, self.said.append)


def test_install_writes_loads_and_starts() -> None:
    bench = Bench()

    bench.service.install()

    assert bench.ground.ran == [CHECK, *PREPARE, *LOAD, "systemctl start botyard-agent.service"]
    assert bench.said == [
        f"wrote {UNIT}",
        f"wrote {SYSUSERS}",
        "started",
        f"settings: {SERVICE_HOME}/agent.toml",
        "logs: journalctl -u botyard-agent",
    ]


@pytest.mark.parametrize(("system", "mode"), list(HOMES))
def test_install_twice_changes_nothing(system: System, mode: Mode) -> None:
    """Packaging.md §2: a running service is not touched by the second one."""
    bench = Bench(one=spec(system, mode))
    bench.service.install()
    assert bench.ground.running
    files = dict(bench.ground.files)

    bench.service.install()

    assert files == bench.ground.files
    assert "runs already" in bench.said
    assert not [line for line in bench.ground.ran if "start " in line or "bootstrap" in line or "/run" in line]


def test_install_over_an_older_one_restarts_it() -> None:
    """The bots live on, so that a unit in force is never another one than the file."""
    bench = Bench(MemoryGround(files={UNIT: "[Service]\nExecStart=/old\n"}, running=True))

    bench.service.install()

    assert bench.ground.ran[-1] == "systemctl restart botyard-agent.service"
    assert "restarted; bots live on" in bench.said
    assert "-m agent run" in bench.ground.files[UNIT]


def test_install_after_a_death_in_its_middle_ends_it() -> None:
    """Any command may be the last one: what is typed again goes on from there."""
    for cut in ("systemd-sysusers", "install -d", "daemon-reload", "enable", "start"):
        bench = Bench(MemoryGround(fail={cut: (1, "Killed")}))
        with pytest.raises(AgentError, match="Killed"):
            bench.service.install()
        bench.ground.fail.clear()

        bench.service.install()

        assert bench.ground.running
        assert {UNIT, SYSUSERS} <= set(bench.ground.files)


def test_install_before_enrolment_starts_nothing() -> None:
    bench = Bench(enrolled=False)

    bench.service.install()

    assert not bench.ground.running
    assert [line for line in bench.said if "botyard-agent enroll URL" in line]
    with pytest.raises(SetupError, match="is no runner yet"):
        bench.service.start()


def test_a_home_that_root_enrolled_is_given_to_the_service() -> None:
    bench = Bench(MemoryGround(foreign=True))

    bench.service.install()

    given = bench.ground.ran.index(f"chown -hR botyard-agent: {SERVICE_HOME}")
    assert bench.ground.ran[given + 1] == "systemctl start botyard-agent.service"


@pytest.mark.parametrize("word", ["install", "uninstall", "start", "stop"])
def test_without_rights_nothing_is_touched(word: str) -> None:
    """One line that says what to type, and 78."""
    bench = Bench(MemoryGround(files={UNIT: "old"}, admin=False))
    service, files = bench.service, dict(bench.ground.files)
    words: dict[str, Callable[[], None]] = {
        "install": service.install,
        "uninstall": lambda: service.uninstall(purge=True),
        "start": service.start,
        "stop": lambda: service.stop(now=False),
    }

    with pytest.raises(SetupError, match=f"sudo botyard-agent service {word}") as refused:
        words[word]()

    assert (refused.value.exit_code, bench.ground.ran, bench.ground.files) == (78, [], files)


def test_a_user_that_is_not_there_is_refused() -> None:
    bench = Bench(one=spec(user="bob"))
    with pytest.raises(UsageError, match="no such user"):
        bench.service.install()

    bench.ground.users.add("bob")
    bench.service.install()

    assert SYSUSERS not in bench.ground.files
    assert "User=bob\n" in bench.ground.files[UNIT]


@pytest.mark.parametrize(
    ("ground", "says"),
    [
        (MemoryGround(missing={"systemctl"}), "no systemctl"),
        (MemoryGround(fail={"Version": (1, "System has not been booted with systemd\n")}), "not been booted"),
    ],
)
def test_a_machine_without_systemd_keeps_its_files(ground: MemoryGround, says: str) -> None:
    bench = Bench(ground, enrolled=False)

    with pytest.raises(SetupError, match=says):
        bench.service.install()

    assert {} == ground.files


def test_uninstall_ends_the_bots_and_keeps_the_home() -> None:
    bench = Bench(MemoryGround(answers={"stop-now": {"stopping": True}}, desktops=2))
    bench.service.install()

    bench.service.uninstall(purge=False)

    assert bench.ground.desktops == 0
    assert "ended virtual desktops that had outlived their daemon" in bench.said

    assert bench.ground.ran == [
        CHECK,
        "ask stop-now",
        "systemctl --quiet disable --now botyard-agent.service",
        "systemctl --quiet kill --signal=SIGKILL botyard-agent.service",
        "systemctl daemon-reload",
        "systemctl --quiet reset-failed botyard-agent.service",
    ]
    assert set(bench.ground.files) == {f"{SERVICE_HOME}/identity.json", SYSUSERS}, "the home and its user stay"
    assert bench.said[-1] == f"kept: {SERVICE_HOME}; --purge removes it too"


@pytest.mark.parametrize(("system", "mode"), list(HOMES))
def test_purge_leaves_nothing(system: System, mode: Mode) -> None:
    """And does so again where nothing is."""
    bench = Bench(one=spec(system, mode))
    bench.service.install()

    bench.service.uninstall(purge=True)

    assert ({}, False) == (bench.ground.files, bench.ground.running)
    assert ("userdel botyard-agent" in bench.ground.ran) is ((system, mode) == (System.LINUX, Mode.SERVICE))
    bench.service.uninstall(purge=True)
    assert (bench.said, bench.ground.ran) == (["not installed"], [])


def test_purge_after_a_plain_uninstall_leaves_nothing() -> None:
    bench = Bench()
    bench.service.install()
    bench.service.uninstall(purge=False)

    bench.service.uninstall(purge=True)

    assert ({}, ["userdel botyard-agent"]) == (bench.ground.files, bench.ground.ran)


def test_purge_removes_the_home_that_was_installed() -> None:
    """Whoever removes it need not remember --home and --user; a user that was there before stays."""
    bench = Bench(one=spec(home="/srv/bots", user="ada"))
    bench.service.install()
    bench.spec = spec()

    bench.service.uninstall(purge=True)

    assert {} == bench.ground.files
    assert not [line for line in bench.ground.ran if "userdel" in line]


def test_uninstall_that_died_forgets_nothing() -> None:
    """The definition goes last: the same command again ends what was begun."""
    bench = Bench()
    bench.service.install()
    bench.ground.fail = {"userdel": (8, "user botyard-agent is currently used by process 7")}
    with pytest.raises(AgentError, match="process 7"):
        bench.service.uninstall(purge=True)
    assert UNIT in bench.ground.files

    bench.ground.fail = {}
    bench.service.uninstall(purge=True)

    assert {} == bench.ground.files


def test_start_and_stop_say_what_they_found() -> None:
    bench = Bench()
    with pytest.raises(NotInstalledError) as refused:
        bench.service.start()
    assert refused.value.exit_code == 5
    bench.service.install()

    bench.service.start()
    assert bench.said == ["runs already"]
    bench.service.stop(now=False)
    assert (bench.said, bench.ground.ran) == (
        ["stopped; bots live on"],
        [CHECK, "systemctl stop botyard-agent.service"],
    )
    bench.service.stop(now=False)
    assert bench.said == ["does not run"]
    bench.service.start()
    assert bench.said == ["started"]


def test_stop_now_waits_for_the_bots() -> None:
    """A stop after the request would be the daemon's second one, at which it leaves its bots alone."""
    bench = Bench(MemoryGround(answers={"stop-now": {"stopping": True}}))
    bench.service.install()

    bench.service.stop(now=True)
    assert bench.ground.ran == [CHECK, "ask stop-now", "systemctl stop botyard-agent.service"]

    bench.ground.running, bench.ground.answers = True, {}
    with pytest.raises(AgentError, match="did not end its bots"):
        bench.service.stop(now=True)


@pytest.mark.parametrize(
    ("running", "answer", "linked"),
    [(False, None, None), (True, None, None), (True, {"linked": True}, True), (True, {"linked": False}, False)],
)
def test_standing(running: bool, answer: dict[str, bool] | None, linked: bool | None) -> None:
    bench = Bench()
    assert not bench.service.standing().installed
    bench.service.install()
    bench.ground.running = running
    bench.ground.answers = {} if answer is None else {"status": answer}

    standing = bench.service.standing()

    assert (standing.installed, standing.running, standing.linked) == (True, running, linked)
    assert (standing.home, standing.definition) == (SERVICE_HOME, UNIT)


@pytest.mark.parametrize(("told", "linked"), [("linked; 0 of 1", True), ("not linked: refused", False), ("", None)])
def test_whoever_may_not_ask_the_daemon_asks_its_manager(told: str, linked: bool | None) -> None:
    """The home is 0700, and monitoring is no root."""
    bench = Bench()
    bench.service.install()
    bench.ground.fail = {"ActiveState": (0, f"ActiveState=active\nStatusText={told}\n")}

    assert bench.service.standing().linked is linked


def test_preview_shows_all_and_touches_nothing() -> None:
    bench = Bench(MemoryGround(admin=False), enrolled=False)

    shown = bench.service.preview("install")

    assert f"# {UNIT} (0644)\n[Unit]\n" in shown
    assert "systemctl --quiet enable botyard-agent.service" in shown
    assert "# removes /run/botyard-agent" in bench.service.preview("uninstall", purge=True)
    assert ({}, []) == (bench.ground.files, bench.ground.ran)


def test_preview_shows_also_what_install_refuses_here() -> None:
    """A checkout in somebody's folder: what would be done is seen, and first what stands against it."""
    bench = Bench(one=spec(seen=("/home/ada/botyard",)))

    first, *rest = bench.service.preview("install").splitlines()

    assert first.startswith("# install refuses this: this botyard-agent stands in /home/ada/botyard")
    assert f"# {UNIT} (0644)" in rest
    with pytest.raises(UsageError, match="stands in /home/ada/botyard"):
        bench.service.install()
    assert not bench.ground.ran


def test_a_remedy_calls_the_program_as_sudo_finds_it() -> None:
    bench = Bench(MemoryGround(admin=False), one=spec(program="/srv/botyard/.venv/bin/botyard-agent"))

    with pytest.raises(SetupError, match=r"sudo /srv/botyard/.*/botyard-agent service install --mode service"):
        bench.service.install()


PACKAGED = "/lib/systemd/system/botyard-agent.service"


def packaged(one: Spec | None = None, *, running: bool = False) -> Bench:
    """A machine on which a .deb has put the unit, as this code writes it."""
    text = systemd.files(spec())[0].text
    return Bench(MemoryGround(files={PACKAGED: text}, running=running), one)


def test_what_a_package_brought_is_installed() -> None:
    """No second unit beside it, which would hide the package's for ever."""
    bench = packaged()
    assert bench.service.standing().definition == PACKAGED
    bench.service.install()

    assert bench.ground.ran == [CHECK, *LOAD, "systemctl start botyard-agent.service"]
    assert bench.said[:2] == [f"{PACKAGED} is as it should be", "started"]
    assert UNIT not in bench.ground.files
    bench.service.stop(now=False)
    assert not bench.ground.running


def test_another_user_than_the_package_s_gets_a_unit_before_it() -> None:
    bench = packaged(spec(user="ada"))

    bench.service.install()

    assert "User=ada" in bench.ground.files[UNIT]
    bench.service.uninstall(purge=False)
    assert UNIT not in bench.ground.files
    assert PACKAGED in bench.ground.files


def test_what_a_package_brought_apt_removes() -> None:
    bench = packaged(running=True)

    with pytest.raises(UsageError, match="apt purge botyard-agent"):
        bench.service.uninstall(purge=True)

    assert bench.ground.running
