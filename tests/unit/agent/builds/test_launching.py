"""From a build and a task to argv, environment and folders (bot-packages.md §2, §6; maestro.md §5)."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent.builds.environments import Environment
from agent.builds.launch import Equipment, Machine, plan
from agent.builds.workfolder import WorkFolders
from agent.builds_port import CannotLaunchError, LaunchPlan, LaunchRequest
from agent.mode import Mode
from agent.ports.files import SystemDisk
from agent.wire.task import BuildReference, Launch, TaskSnapshot, Work
from agent.wire.words import Kind
from tests.support.clock import START
from tests.support.runner_builds import BUILD_ID, MemoryHub

TOKEN = "gateway-token"
MACHINE = Machine(mode=Mode.SERVICE, variables={"PATH": os.defpath, "LANG": "C"}, hub_url="http://hub:8040/")


class Stage:
    """A work folder with some files, and a task for it."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "exe"
        self.work = self.folder / "work"
        self.work.mkdir(parents=True)
        scripts = root / "env" / "bin"
        scripts.mkdir(parents=True)
        (scripts / "python").symlink_to(sys.executable)
        self.environment = Environment(key="k", root=root / "env")

    def file(self, path: str, text: str = "", mode: int = 0o600) -> None:
        """A file of the build."""
        target = self.work / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)

    def plan(self, launch: Launch, machine: Machine = MACHINE, **work: Any) -> LaunchPlan:
        """What would be exec'ed."""
        parameters = work.pop("parameters", {})
        task = TaskSnapshot(
            number=42, round=1, workspace="acme", automation="a", automation_name="A", bot="b",
            parameters=parameters, priority=0, state="running", created_at=START,
        )  # fmt: skip
        build = BuildReference(build_id=BUILD_ID, digest="0" * 64, bot="b", version="1", launch=launch)
        request = LaunchRequest(
            execution_id="exe_1", task_id="tsk_1", folder=self.folder, slot=0,
            work=Work(build=build, task=task, **work),
            server_url="http://127.0.0.1:9", api_url="http://127.0.0.1:9/v1", token=TOKEN,
        )  # fmt: skip
        return plan(request, Equipment(environment=self.environment if launch.python else None), machine)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """An empty stage."""
    return Stage(tmp_path)


def test_a_botcity_bot_gets_its_four_arguments(stage: Stage) -> None:
    """maestro.md §5: server task_id token organization."""
    made = stage.plan(Launch(kind=Kind.BOTCITY, entry="bot.py", python="3.11", args=("--x",)))

    assert (str(stage.environment.python), "bot.py", "http://127.0.0.1:9", "42", TOKEN, "acme", "--x") == made.argv
    assert stage.work == made.cwd


def test_only_botcity_bots_get_them(stage: Stage) -> None:
    """S11: its argv is the one exception; no other kind has a token in an argument."""
    stage.file("run.sh", "#!/bin/sh\n", 0o700)
    for launch in (Launch(kind=Kind.PYTHON, entry="main.py", python="3.11"), Launch(kind=Kind.SHELL, entry="run.sh")):
        assert TOKEN not in " ".join(stage.plan(launch).argv)


def test_a_main_module_is_run_as_a_folder(stage: Stage) -> None:
    assert "." == stage.plan(Launch(kind=Kind.PYTHON, entry="__main__.py", python="3.11")).argv[1]


@pytest.mark.parametrize(
    ("text", "mode", "begins"),
    [
        ("#!/bin/sh\n", 0o700, None),
        ("#!/bin/sh\n", 0o600, "sh"),
        ("#!/bin/bash\n", 0o600, "bash"),
        ("x\n", 0o700, "sh"),
    ],
)
def test_a_shell_script_is_run_as_it_says(stage: Stage, text: str, mode: int, begins: str | None) -> None:
    stage.file("go.sh", text, mode)

    first = stage.plan(Launch(kind=Kind.SHELL, entry="go.sh")).argv[0]

    assert (str(stage.work / "go.sh") if begins is None else begins) == (first if begins is None else Path(first).name)


def test_a_program_is_made_executable(stage: Stage) -> None:
    """Archives made on Windows carry no bits."""
    stage.file("tool", "#!/bin/sh\nexit 0\n")

    made = stage.plan(Launch(kind=Kind.EXECUTABLE, entry="tool"))

    assert (str(stage.work / "tool"),) == made.argv
    assert stat.S_IMODE((stage.work / "tool").stat().st_mode) == 0o700


def test_a_command_speaks_botcitys_words(stage: Stage) -> None:
    """maestro.md §5, COMMAND: {path}, {maestro_server}, {maestro_taskid}, {maestro_token}, {maestro_organization}."""
    stage.file("run.bin")
    words = ("run.bin", "{path}/x", "{maestro_server}", "{maestro_taskid}", "{maestro_token}", "{maestro_organization}")

    made = stage.plan(Launch(kind=Kind.EXECUTABLE, entry="", command=words))

    assert (str(stage.work / "run.bin"), f"{stage.work}/x", "http://127.0.0.1:9", "42", TOKEN, "acme") == made.argv


def test_a_program_of_the_machine_is_found_or_the_launch_refused(stage: Stage) -> None:
    made = stage.plan(Launch(kind=Kind.EXECUTABLE, entry="", command=("sh", "-c", "exit 7")))
    assert 7 == subprocess.run(made.argv, env=dict(made.env), cwd=made.cwd, check=False).returncode
    with pytest.raises(CannotLaunchError, match="no-such-program"):
        stage.plan(Launch(kind=Kind.EXECUTABLE, entry="", command=("no-such-program",)))


def test_a_placeholder_is_one_argument_whatever_it_holds(stage: Stage) -> None:
    """bot-packages.md §2.2: no shell in between."""
    launch = Launch(
        kind=Kind.PYTHON,
        entry="m.py",
        python="3.11",
        args=("--a={a}", "{b}", "{{x}}", "{gone}", "{n}", "{flag}", "{a}{b}"),
    )
    parameters = {"a": "; rm -rf / {b} $HOME", "b": 'x "y"\nz', "n": 1.5, "flag": True, "list": [1]}

    argv = stage.plan(launch, parameters=parameters).argv[2:]

    assert ("--a=; rm -rf / {b} $HOME", 'x "y"\nz', "{x}", "", "1.5", "true") == argv[:6]
    assert '; rm -rf / {b} $HOMEx "y"\nz' == argv[6]


def test_secrets_never_go_into_arguments_or_variables(stage: Stage) -> None:
    """S11; bot-packages.md §2.2."""
    secret: dict[str, Any] = {"parameters": {"password": "hunter2"}, "secret_parameters": ("password",)}
    made = stage.plan(Launch(kind=Kind.PYTHON, entry="m.py", python="3.11"), **secret)
    assert "hunter2" not in " ".join([*made.argv, *made.env.values()])
    with pytest.raises(CannotLaunchError, match="secret"):
        stage.plan(Launch(kind=Kind.PYTHON, entry="m.py", python="3.11", args=("{password}",)), **secret)
    written = stage.folder / "parameters.json"
    assert {"password": "hunter2"} == json.loads(written.read_text())
    assert 0o600 == stat.S_IMODE(written.stat().st_mode)


def test_parameters_come_as_variables_too(stage: Stage) -> None:
    parameters = {
        "due date": "5 May",
        "n": 3,
        "on": False,
        "none": None,
        "list": [1],
        "nul": "a\0b",
        "N": 4,
        "long": "x" * 99999,
    }

    env = stage.plan(Launch(kind=Kind.PYTHON, entry="m.py", python="3.11"), parameters=parameters).env

    found = {name: value for name, value in env.items() if name.startswith("BOTYARD_PARAM_")}
    assert {"BOTYARD_PARAM_DUE_DATE": "5 May", "BOTYARD_PARAM_N": "4", "BOTYARD_PARAM_ON": "false"} == found


def test_an_account_that_the_task_holds_comes_as_a_variable(stage: Stage) -> None:
    accounts = {"sap-licence": "ana", "erp": "bob"}

    env = stage.plan(Launch(kind=Kind.PYTHON, entry="m.py", python="3.11"), accounts=accounts).env

    found = {name: value for name, value in env.items() if name.startswith("BOTYARD_RESOURCE_")}
    assert {"BOTYARD_RESOURCE_SAP_LICENCE": "ana", "BOTYARD_RESOURCE_ERP": "bob"} == found


def test_a_bot_finds_what_the_contract_says(stage: Stage) -> None:
    """bot-packages.md §6, row "variables for all kinds"."""
    made = stage.plan(Launch(kind=Kind.PYTHON, entry="m.py", python="3.11", artifacts="out"))
    env = made.env

    assert ("tsk_1", "exe_1", "acme", "http://hub:8040/tasks/tsk_1") == tuple(
        env[f"BOTYARD_{name}"] for name in ("TASK_ID", "EXECUTION_ID", "WORKSPACE", "TASK_URL")
    )
    assert ("http://127.0.0.1:9/v1", TOKEN) == (env["BOTYARD_API_URL"], env["BOTYARD_API_TOKEN"])
    for name in ("BOTYARD_ARTIFACTS", "TMPDIR", "TEMP", "TMP", "HOME"):
        assert Path(env[name]).is_dir()
        assert 0o700 == stat.S_IMODE(Path(env[name]).stat().st_mode)
    for name in ("BOTYARD_PARAMETERS", "BOTYARD_OUTPUT", "BOTYARD_SUMMARY"):
        assert Path(env[name]).is_file()
    assert (stage.folder / "artifacts", stage.work / "out") == made.artifacts
    assert Path(env["BOTYARD_RESULT"]) == made.result
    assert env["GITHUB_OUTPUT"] == env["BOTYARD_OUTPUT"]
    assert ("1", "utf-8", "1") == (env["PYTHONUNBUFFERED"], env["PYTHONIOENCODING"], env["PYTHONNOUSERSITE"])
    assert env["PATH"].startswith(str(stage.environment.scripts))
    assert "PYTHONUTF8" not in env


def test_a_shell_bot_gets_no_python(stage: Stage) -> None:
    stage.file("go.sh")

    env = stage.plan(Launch(kind=Kind.SHELL, entry="go.sh")).env

    assert not [name for name in env if name.startswith(("PYTHON", "VIRTUAL"))]


def test_a_service_gives_an_allow_list_and_a_session_keeps_the_desktop(stage: Stage) -> None:
    """S18, S19; design.md §5: session mode is the user's own HOME and environment less a deny-list."""
    ours = {
        "BOTYARD_AGENT_HOME": "x",
        "BOTYARD_TOKEN": "t",
        "PYTHONPATH": "p",
        "VIRTUAL_ENV": "v",
        "NOTIFY_SOCKET": "n",
    }
    theirs = {
        "PATH": os.defpath,
        "HOME": "/home/me",
        "SAP_CONFIG": "s",
        "LC_ALL": "C",
        "https_proxy": "p",
        "AWS_SECRET": "z",
    }
    launch = Launch(kind=Kind.PYTHON, entry="m.py", python="3.11")
    service, session = (
        stage.plan(launch, Machine(mode=mode, variables={**ours, **theirs}, hub_url="http://h")).env
        for mode in (Mode.SERVICE, Mode.SESSION)
    )

    assert {"LC_ALL", "https_proxy"} <= set(service)
    assert not {"SAP_CONFIG", "AWS_SECRET", *ours} - {"VIRTUAL_ENV"} & set(service)
    assert service["HOME"] != "/home/me"
    assert ("/home/me", "s") == (session["HOME"], session["SAP_CONFIG"])
    assert not {"BOTYARD_AGENT_HOME", "BOTYARD_TOKEN", "PYTHONPATH", "NOTIFY_SOCKET"} & set(session)


def test_each_execution_has_its_own_copy(tmp_path: Path) -> None:
    """bot-packages.md §1: a write of one run reaches neither the store nor another run."""
    tree = tmp_path / "tree"
    (tree / "data").mkdir(parents=True)
    (tree / "run.sh").write_text("#!/bin/sh\n")
    (tree / "data" / "x.txt").write_text("original")
    for path in (tree / "run.sh", tree / "data" / "x.txt"):
        path.chmod(0o444)
    manifest = MemoryHub().serve(
        {"run.sh": b"#!/bin/sh\n", "data/x.txt": b"original"}, executable=frozenset({"run.sh"})
    )
    folders = WorkFolders(tmp_path / "spares", SystemDisk())
    assert folders.stock("d", manifest, tree)
    copies = [tmp_path / f"work{number}" for number in range(3)]
    for copy in copies:
        folders.take("d", manifest, tree, copy)

    (copies[0] / "data" / "x.txt").write_text("changed")
    (copies[1] / "data" / "x.txt").unlink()
    (copies[0] / "new.txt").touch()

    assert "original" == (copies[2] / "data" / "x.txt").read_text() == (tree / "data" / "x.txt").read_text()
    assert {1} == {path.stat().st_nlink for copy in copies for path in copy.rglob("*") if path.is_file()}
    assert [0o700, 0o600] == [stat.S_IMODE((copies[2] / name).stat().st_mode) for name in ("run.sh", "data/x.txt")]
    assert {"run.sh", "data", "data/x.txt"} == {path.relative_to(copies[2]).as_posix() for path in copies[2].rglob("*")}


def test_spares_of_an_earlier_daemon_are_not_believed(tmp_path: Path) -> None:
    """Nothing says that their last bytes reached the disk."""
    left = tmp_path / "spares" / "d"
    left.mkdir(parents=True)

    WorkFolders(tmp_path / "spares", SystemDisk())

    assert not left.exists()
