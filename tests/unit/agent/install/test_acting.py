"""The steps of an installation: what is refused writes nothing, what fails gives back, again changes nothing."""

import asyncio
import json
import sys
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from agent.errors import AgentError, SetupError
from agent.home import Home
from agent.install.acting import Installation
from agent.install.asking import Answer, SystemTools
from agent.install.wish import Place, Wish
from agent.mode import Mode
from agent.ports import SystemDisk
from agent.service.spec import System

HUB = "hub_" + "a" * 32
TOKEN = "byt_x"


@dataclass
class Machine:
    """A machine whose commands answer as a test says; `typed` has them, their version and words."""

    folder: Path
    wish: Wish = field(default_factory=lambda: Wish(hub="https://hub", hub_id=HUB))
    answers: dict[str, Answer] = field(default_factory=dict)
    typed: list[str] = field(default_factory=list)
    tokens: list[bytes] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    held_for: int = 0
    """How many looks long a daemon still has the home after it was asked to end."""

    @property
    def place(self) -> Place:
        """Where it goes."""
        folder = self.folder / "root"
        folder.mkdir(exist_ok=True)
        return Place(
            system=System.LINUX,
            mode=Mode.SESSION,
            prefix=folder / "opt",
            command=folder / "bin" / "botyard-agent",
            home=folder / "home",
            lock=folder,
        )

    async def run(self, argv: tuple[str, ...], stdin: bytes = b"") -> Answer:
        """What the test says of these words; else all is well."""
        version = Path(argv[0]).parents[1] if "/" in argv[0] else Path()
        words = " ".join(argv[4:]).partition(" --home")[0] if version.name else " ".join(argv)
        if argv[2:3] == ("-c",):
            words = "try"
        self.typed.append(f"{version.resolve().name} {words}" if version.name else words)
        if stdin:
            self.tokens.append(stdin)
        answer = next((found for start, found in self.answers.items() if words.startswith(start)), None)
        if words.startswith("enroll") and answer is None:
            self.place.home.mkdir(exist_ok=True)
            (self.place.home / "identity.json").write_text(
                json.dumps({"hub_id": HUB, "name": "bare", "hub_url": "https://hub"})
            )
        return answer or Answer(code=0, text="")

    async def wait(self) -> None:
        """Let a moment pass."""
        self.held_for = max(0, self.held_for - 1)
        self.typed.append("waits")

    def outlive_terminal(self) -> None:
        """From here on a terminal that is closed ends nothing."""
        self.typed.append("outlives")

    def is_held(self, home: Path) -> bool:
        """Whether a daemon has it."""
        assert home == self.place.home
        return self.held_for > 0

    async def paste(self, version: str = "1", token: str = TOKEN) -> None:
        """The line of a hub whose bundle is of this version."""
        bundle = self.folder / f"botyard-agent-{version}-k.zip"
        with zipfile.ZipFile(bundle, "w") as archive:
            archive.writestr("__main__.py", "")
            archive.writestr("agent/__init__.py", f"# {version}\n")
            archive.writestr("bin/uv", "")
        self.typed, self.said = [], []
        made = Installation(self.wish, self.place, bundle, self, SystemDisk())
        await made.run(lambda: token, self.said.append)

    @property
    def files(self) -> list[str]:
        """All that lies there."""
        return sorted(str(path.relative_to(self.place.ground)) for path in self.place.ground.rglob("*"))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A bare one."""
    return Machine(tmp_path)


async def test_a_bare_machine_becomes_a_runner(machine: Machine) -> None:
    await machine.paste()
    assert [
        "systemctl --user show --property=Version",
        "1.tmp try",
        "outlives",
        "1 enroll https://hub --token -",
        "outlives",
        "1 service install --mode session",
        "1 service status --mode session --json",
        "1 doctor --json",
    ] == [line.strip() for line in machine.typed]
    assert [b"byt_x\n"] == machine.tokens
    assert machine.place.command.resolve() == machine.place.prefix / "versions" / "1" / "bin" / "botyard-agent"
    assert (machine.place.prefix / "versions/1/bin/uv").stat().st_mode & 0o111


async def test_the_same_line_again_changes_nothing(machine: Machine) -> None:
    await machine.paste()
    before = machine.files
    await machine.paste(token="")
    assert before == machine.files
    assert not any("enroll" in line or "stop" in line for line in machine.typed)
    assert "this machine is runner bare already; the token was not used" in machine.said


async def test_a_newer_version_takes_over_between_stop_and_start_and_one_older_is_kept(machine: Machine) -> None:
    for version in ("1", "2", "3"):
        await machine.paste(version)
    steps = [line for line in machine.typed if "service" in line]
    assert ["2 service stop --mode session", "3 service install --mode session"] == steps[1:3]
    assert machine.typed.index("outlives") < machine.typed.index(steps[1])  # a runner is never left without its service
    assert ["2", "3"] == sorted(path.name for path in (machine.place.prefix / "versions").iterdir())


@pytest.mark.parametrize(
    ("answers", "version"),
    [
        ({"service status": Answer(code=4, text='{"state": "not linked", "problem": "no way"}')}, "1"),
        ({"service install": Answer(code=75, text="botyard-agent: no way")}, "1"),
        ({"service status": Answer(code=3, text='{"state": "no way"}')}, "1"),
    ],
)
async def test_a_version_that_does_not_work_gives_the_place_back(
    machine: Machine, answers: dict[str, Answer], version: str
) -> None:
    await machine.paste(version)
    machine.answers = answers
    with pytest.raises(AgentError, match="no way"):
        await machine.paste("2")
    assert version == (machine.place.current).readlink().name
    assert f"{version} service install --mode session" == machine.typed[-1]


async def _wrong_hub(machine: Machine) -> None:
    await machine.paste()
    machine.wish = replace(machine.wish, hub_id="hub_" + "b" * 32)


@pytest.mark.parametrize(
    ("answers", "token", "words"),
    [
        ({"systemctl": Answer(code=1, text="Failed to connect to bus")}, TOKEN, "no service manager.*connect to bus"),
        ({"try": Answer(code=1, text="ImportError: GLIBC_2.99")}, TOKEN, "does not run on this machine.*GLIBC"),
        ({"enroll": Answer(code=78, text="botyard-agent: the token is used up")}, TOKEN, "^the token is used up"),
        ({}, "", "no token came"),
    ],
)
async def test_what_is_refused_leaves_a_bare_machine_bare(
    machine: Machine, answers: dict[str, Answer], token: str, words: str
) -> None:
    machine.answers = answers
    with pytest.raises(SetupError, match=words):
        await machine.paste(token=token)
    assert [] == machine.files


async def test_the_line_of_another_hub_touches_nothing(machine: Machine) -> None:
    await _wrong_hub(machine)
    before = machine.files
    with pytest.raises(SetupError, match="runner bare of https://hub, which is another hub"):
        await machine.paste("2")
    assert (before, []) == (machine.files, machine.typed)
    (machine.place.home / "identity.json").write_text("damaged")  # of no account: it is to be another one
    machine.wish = replace(machine.wish, again=True)
    await machine.paste("2")
    assert any("enroll https://hub --token - --again" in line for line in machine.typed)


async def test_a_draft_of_an_installation_that_died_is_made_anew(machine: Machine) -> None:
    draft = machine.place.prefix / "versions" / "1.tmp"
    draft.mkdir(parents=True)
    (draft / "half").write_text("")
    await machine.paste()
    assert not draft.exists()
    assert not (machine.place.prefix / "versions/1/half").exists()


STOP, START = "service stop --mode session", "service start --mode session"


async def _is_runner(machine: Machine, *, again: bool = False, with_service: bool = True) -> None:
    await machine.paste()
    machine.wish = replace(machine.wish, again=again, with_service=with_service)


async def test_again_waits_until_the_daemon_has_left_the_home(machine: Machine) -> None:
    """It answers before it ends, and an enrolment takes the lock at once, or fails."""
    await _is_runner(machine, again=True)
    machine.held_for = 3
    await machine.paste()
    steps = [line for line in machine.typed if line != "outlives"]
    first = steps.index(f"1 {STOP}")
    assert [f"1 {STOP}", "1 stop", "waits", "waits", "waits"] == steps[first : first + 5]
    assert "1 enroll https://hub --token - --again" == steps[first + 5]
    assert any(line.startswith("stopped the runner of") for line in machine.said)


async def test_again_gives_up_where_the_daemon_does_not_end(machine: Machine) -> None:
    """And the service is told to run, as it did."""
    await _is_runner(machine, again=True)
    machine.held_for = 10_000
    with pytest.raises(AgentError, match="does not end"):
        await machine.paste()
    assert f"1 {START}" == machine.typed[-1]
    assert not any("enroll" in line for line in machine.typed)


@pytest.mark.parametrize("version", ["1", "2"])
async def test_a_refused_again_leaves_the_old_runner_at_work(machine: Machine, version: str) -> None:
    """A token that is used up costs no runner: its home is whole, its version is in use, its service runs."""
    await _is_runner(machine, again=True)
    before = machine.files
    machine.answers = {"enroll": Answer(code=78, text="botyard-agent: the token is used up")}
    with pytest.raises(SetupError, match="used up"):
        await machine.paste(version)
    assert before == machine.files
    assert f"1 {START}" == machine.typed[-1]


async def test_without_a_service_one_that_runs_goes_on_and_one_that_rests_is_left(machine: Machine) -> None:
    """`--no-service` makes none, and takes none away."""
    await _is_runner(machine, with_service=False)
    await machine.paste("2")
    assert [f"1 {STOP}", f"2 {START}"] == [line for line in machine.typed if "status" not in line and "service" in line]
    machine.answers = {"service status": Answer(code=3, text="{}")}
    await machine.paste("3")
    assert not any("stop" in line or "start" in line for line in machine.typed)
    assert any(line.startswith("to start it: ") for line in machine.said)


async def test_ctrl_c_between_stop_and_start_gives_the_place_back(machine: Machine) -> None:
    """A cancelled installation is no reason for a machine without a runner."""
    await machine.paste()
    machine.answers = {"service install": Answer(code=0, text="")}
    typed = machine.run

    async def interrupted(argv: tuple[str, ...], stdin: bytes = b"") -> Answer:
        answer = await typed(argv, stdin)
        if machine.typed[-1].startswith("2 service install"):
            raise asyncio.CancelledError
        return answer

    machine.run = interrupted  # type: ignore[method-assign]
    with pytest.raises(asyncio.CancelledError):
        await machine.paste("2")
    assert "1" == machine.place.current.readlink().name
    assert "1 service install --mode session" == machine.typed[-1]


async def test_a_runner_whose_hub_has_moved_or_revoked_it_is_told_of_again(machine: Machine) -> None:
    """Only who was a runner before: a fresh one has the hub's words of just now."""
    await machine.paste()
    machine.answers = {"service status": Answer(code=4, text='{"problem": "not reached"}')}
    with pytest.raises(AgentError, match=r"not reached; .*knows its hub as https://hub: .*moved.*revoked.*--again"):
        await machine.paste()


async def test_a_closed_terminal_ends_nothing_any_more() -> None:
    """The signal itself, in a process of its own."""
    script = (
        "import os, signal; from agent.install.asking import SystemTools; SystemTools().outlive_terminal(); "
        "os.kill(os.getpid(), signal.SIGHUP); print('lives')"
    )
    answer = await SystemTools().run((sys.executable, "-c", script))
    assert (0, "lives") == (answer.code, answer.last)


def test_a_held_home_is_seen_from_outside(tmp_path: Path) -> None:
    """By the lock that the daemon has."""
    assert not SystemTools().is_held(tmp_path)
    home = Home.lock(tmp_path, SystemDisk())
    assert SystemTools().is_held(tmp_path)
    home.release()
    assert not SystemTools().is_held(tmp_path)
