"""The command line of each kind (bot-packages.md §2, §2.1, §4, §5)."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from agent.builds.bot_environment import robot_variables
from agent.builds.command_lines import _BY_KIND
from agent.builds.launch import ROBOT_LISTENER, STEPS, Machine
from agent.builds.platforms import this_platform
from agent.builds_port import CannotLaunchError, LaunchPlan
from agent.mode import Mode
from agent.wire.starting import Start
from agent.wire.task import Launch
from agent.wire.words import Kind
from tests.unit.agent.builds.test_launching import TOKEN, Stage


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """An empty stage."""
    return Stage(tmp_path)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine with a program of every kind."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("node", "npm", "java", "pwsh", "cmd"):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return Machine(mode=Mode.SERVICE, variables={"PATH": f"{folder}{os.pathsep}{os.defpath}"}, hub_url="http://h")


def words(made: LaunchPlan) -> tuple[str, ...]:
    """The command line with its program's name alone."""
    return Path(made.argv[0]).name, *made.argv[1:]


def test_every_kind_has_a_command_line() -> None:
    assert set(Kind) == set(_BY_KIND)


@pytest.mark.parametrize(
    ("launch", "expected"),
    [
        (Launch(kind=Kind.NODE, entry="package.json"), ("npm", "start", "--silent", "--", "5")),
        (Launch(kind=Kind.NODE, entry="bot.js"), ("node", "bot.js", "5")),
        (Launch(kind=Kind.JAVA, entry="x.jar"), ("java", "-jar", "x.jar", "5")),
        (
            Launch(kind=Kind.POWERSHELL, entry="x.ps1"),
            (
                *("pwsh", "-NoLogo", "-NoProfile", "-NonInteractive"),
                *("-ExecutionPolicy", "Bypass", "-File", "x.ps1", "5"),
            ),
        ),
        (Launch(kind=Kind.BATCH, entry="a/x.bat"), ("cmd", "/d", "/c", "a\\x.bat", "5")),
    ],
)
def test_programs_of_the_machine_are_started_as_the_table_says(
    stage: Stage, machine: Machine, launch: Launch, expected: tuple[str, ...]
) -> None:
    made = stage.plan(launch.model_copy(update={"args": ("{n}",)}), machine, parameters={"n": 5})

    assert expected == words(made)


@pytest.mark.parametrize(
    ("entry", "start", "expected"),
    [
        ("main.py", Start.FILE, ("python", "main.py")),
        ("pkg.jobs", Start.MODULE, ("python", "-m", "pkg.jobs")),
        ("run-it", Start.COMMAND, ("run-it",)),
    ],
)
def test_a_project_is_started_by_file_module_or_command(
    stage: Stage, entry: str, start: Start, expected: tuple[str, ...]
) -> None:
    """§2.1: the file or the script of the environment directly, not through `uv run`."""
    script = stage.environment.scripts / "run-it"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)

    made = stage.plan(Launch(kind=Kind.PROJECT, entry=entry, start=start, python="3.11"))

    assert expected == words(made)


@pytest.mark.parametrize(("answer", "code"), [("None", 0), ("3", 3), ("'no'", 1)])
def test_a_functions_answer_is_the_exit_code(stage: Stage, answer: str, code: int) -> None:
    stage.file("src/pkg/__init__.py", "")
    stage.file("src/pkg/jobs.py", f"class A:\n    @staticmethod\n    def run():\n        return {answer}\n")
    launch = Launch(
        kind=Kind.PROJECT, entry="pkg.jobs:A.run", start=Start.FUNCTION, python="3.11", python_path=("src",)
    )

    made = stage.plan(launch)

    done = subprocess.run(made.argv, env=dict(made.env), cwd=made.cwd, check=False, capture_output=True)
    assert code == done.returncode, done.stderr


def test_a_legacy_bot_gets_its_contract_as_a_module(stage: Stage) -> None:
    made = stage.plan(Launch(kind=Kind.BOTCITY, entry="my_bot", start=Start.MODULE, python="3.11"))

    assert ("-m", "my_bot", "http://127.0.0.1:9", "42", TOKEN, "acme") == made.argv[1:]


def test_botcitys_words_stand_in_arguments_too(stage: Stage, machine: Machine) -> None:
    """A jar or a Node bot of BotCity asks for the contract by name; `{path}` stays a parameter there."""
    launch = Launch(kind=Kind.JAVA, entry="x.jar", args=("{maestro_taskid}", "{maestro_token}", "{path}"))

    made = stage.plan(launch, machine, parameters={"path": "p"})

    assert ("42", TOKEN, "p") == made.argv[-3:]


def test_options_of_robot_framework_come_before_the_suite(stage: Stage) -> None:
    launch = Launch(kind=Kind.ROBOT, entry="tasks", python="3.11", args=("--task", "{which}"))

    made = stage.plan(launch, parameters={"which": "Add Up"})

    folder = str(stage.folder / "artifacts")
    assert ("-m", "robot", "--outputdir", folder, "--task", "Add Up", "tasks") == made.argv[1:]
    assert f"--listener {ROBOT_LISTENER}" == made.env["ROBOT_OPTIONS"]


def test_the_listener_is_added_to_options_that_are_there() -> None:
    """Paths with blanks stay one word; Robot Framework splits the variable as a shell would."""
    env = robot_variables(Path("/opt/a runner/listener.py"), {"ROBOT_OPTIONS": "--loglevel DEBUG"})

    assert ["--loglevel", "DEBUG", "--listener", "/opt/a runner/listener.py"] == shlex.split(env["ROBOT_OPTIONS"])


def robot(**more: object) -> Launch:
    """A Robocorp robot's launch."""
    said = {"kind": Kind.ROBOCORP, "entry": "A", "command": ("python", "t.py", "{{x}}"), "artifacts": "output", **more}
    return Launch.model_validate(said)


def test_a_robots_command_is_found_on_the_runs_path(stage: Stage) -> None:
    """§4: run without a shell, the first word looked up on the run's PATH; arguments of the deployment behind."""
    made = stage.plan(robot(python="3.11", args=("{n}",)), parameters={"n": 1})

    assert (str(stage.environment.python), "t.py", "{x}", "1") == made.argv
    assert (str(stage.work), str(stage.work / "output")) == (made.env["ROBOT_ROOT"], made.env["ROBOT_ARTIFACTS"])
    assert (stage.work / "output").is_dir()
    assert stage.work / "output" in made.artifacts


def test_a_robots_folders_are_in_front_of_its_paths(stage: Stage) -> None:
    stage.file("bin/tool", "#!/bin/sh\n", 0o700)

    made = stage.plan(robot(command=("tool",), path=("bin",), python_path=("libs", ".")))

    assert str(stage.work / "bin" / "tool") == made.argv[0]
    assert made.env["PATH"].startswith(f"{stage.work / 'bin'}{os.pathsep}")
    assert f"{stage.work / 'libs'}{os.pathsep}{stage.work / '.'}" == made.env["PYTHONPATH"]


def test_a_robots_program_that_nobody_has_is_refused(stage: Stage) -> None:
    with pytest.raises(CannotLaunchError, match="no-such"):
        stage.plan(robot(command=("no-such",)))


@pytest.mark.parametrize(
    ("second", "code", "printed"),
    [("exit 0", 5, "one\ntwo\ntask\n"), ("exit 4", 4, "one\ntwo\n"), ("kill -9 $$", 137, "one\ntwo\n")],
)
def test_scripts_before_the_task_run_first_and_one_that_fails_ends_it(
    stage: Stage, second: str, code: int, printed: str
) -> None:
    """§4, preRunScripts: one after the other, same environment; those of other platforms are left out."""
    other = "windows" if this_platform().startswith("linux") else "linux"
    stage.file("one.sh", "#!/bin/sh\necho one\n", 0o700)
    stage.file("task.sh", "#!/bin/sh\necho task\nexit 5\n", 0o700)
    lines = ("./one.sh", f"no-such-{other}.sh", f"sh -c 'echo two; {second}'")

    made = stage.plan(robot(command=("./task.sh",), before=lines))

    assert (sys.executable, "-I", str(STEPS)) == made.argv[:3]
    done = subprocess.run(made.argv, env=dict(made.env), cwd=made.cwd, check=False, capture_output=True, text=True)
    assert (code, printed) == (done.returncode, done.stdout), done.stderr


def test_a_script_before_the_task_that_nobody_has_ends_it(stage: Stage) -> None:
    made = stage.plan(robot(command=("sh", "-c", "echo task"), before=("no-such-script",)))

    done = subprocess.run(made.argv, env=dict(made.env), cwd=made.cwd, check=False, capture_output=True, text=True)

    assert (127, "") == (done.returncode, done.stdout)
    assert "there is no no-such-script on the PATH" in done.stderr
    assert json.loads(made.argv[3])[0] == ["no-such-script"]
