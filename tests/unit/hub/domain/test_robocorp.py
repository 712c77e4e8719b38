"""Robocorp robots: `robot.yaml`, `conda.yaml`, `package.yaml` (bot-packages.md §4)."""

from typing import Any

import pytest

from agent.wire.starting import PLATFORMS
from agent.wire.task import Launch
from hub.domain.kinds.robocorp import fits
from hub.domain.package_options import PackageOptions
from hub.domain.packages import Package, PackageError, Recognised, recognise
from hub.domain.requirements import Requirements

ROBOT = "tasks:\n  Do it:\n    shell: python tasks.py\nartifactsDir: output\n"
CONDA = "dependencies:\n  - python=3.11.9\n  - pip=24\n  - pip:\n    - idna==3.10\n    - attrs=23.1.0\n"


def tell(robot: str, files: dict[str, str] | None = None, **options: Any) -> Recognised:
    """What is told of a robot."""
    texts = {"robot.yaml": robot, **(files or {})}
    contents = {path: text.encode() for path, text in texts.items()}
    return recognise(Package(executable=dict.fromkeys(texts, False), contents=contents), PackageOptions(**options))


def launch(robot: str, files: dict[str, str] | None = None, **options: Any) -> Launch:
    """How it is started."""
    return tell(robot, files, **options).launch


def lines(found: Recognised) -> tuple[str, ...]:
    """What is to be resolved."""
    assert isinstance(found.requirements, Requirements)
    return found.requirements.lines


@pytest.mark.parametrize(
    ("task", "command"),
    [
        ("shell: python -m x 'two words' a\\ b", ("python", "-m", "x", "two words", "a b")),
        ("shell: echo $HOME && rm {x}", ("echo", "$HOME", "&&", "rm", "{{x}}")),
        ("command: [python, tasks.py]", ("python", "tasks.py")),
        (
            "robotTaskName: Do All",
            (
                *("python", "-m", "robot", "--report", "NONE", "--outputdir", "output"),
                *("--logtitle", "Task log", "--task", "Do All", "."),
            ),
        ),
    ],
)
def test_a_task_is_one_of_three_ways_and_never_a_shell(task: str, command: tuple[str, ...]) -> None:
    assert command == launch(f"tasks:\n  A:\n    {task}\nartifactsDir: output\n").command


def test_a_task_is_named_without_quotes_and_case() -> None:
    robot = "tasks: {Load Data: {shell: a}, Send: {shell: b}}\nartifactsDir: output\n"

    for named in ("load data", '"Load Data"', "'LOAD DATA'"):
        assert ("Load Data", ("a",)) == ((found := launch(robot, entry=named)).entry, found.command)
    with pytest.raises(PackageError, match="Load Data, Send"):
        launch(robot)
    with pytest.raises(PackageError, match="its tasks: Load Data, Send"):
        launch(robot, entry="Nothing")


@pytest.mark.parametrize(
    ("robot", "says"),
    [
        ("tasks: {}\nartifactsDir: o\n", "tasks"),
        ("tasks: {A: {shell: a, command: [b]}}\nartifactsDir: o\n", "exactly one of"),
        ("tasks: {A: {shell: a}}\n", "artifactsDir"),
        ("tasks: {A: {shell: a}}\nartifactsDir: ../up\n", "artifactsDir"),
        ("tasks: {A: {shell: a}}\nartifactsDir: o\nPATH: [/bin]\n", "PATH"),
        ("tasks: {A: {shell: a}}\nartifactsDir: o\ncondaConfigFile: none.yaml\n", "none.yaml"),
        ('tasks: {A: {shell: "it\'s"}}\nartifactsDir: o\n', "quotation"),
        ("tasks: [\n", "robot.yaml: line"),
        ("tasks: &a {A: {shell: a}}\nx: *a\nartifactsDir: o\n", "aliases"),
    ],
)
def test_a_robot_yaml_that_cannot_be_meant_is_refused(robot: str, says: str) -> None:
    with pytest.raises(PackageError, match=says):
        launch(robot)


@pytest.mark.parametrize(
    ("name", "on"),
    [
        ("conda.yaml", PLATFORMS),
        ("environment_windows.yaml", ("windows_amd64", "windows_arm64")),
        ("environment_linux_amd64_freeze.yaml", ("linux_amd64",)),
        ("environment_linux_freeze.yaml", ()),
        ("config/conda-darwin-arm64.yaml", ("darwin_arm64",)),
    ],
)
def test_a_file_is_for_the_machines_that_its_name_mentions(name: str, on: tuple[str, ...]) -> None:
    assert on == tuple(platform for platform in PLATFORMS if fits(name, platform))


def test_python_and_its_packages_need_no_conda() -> None:
    """§4: `python`, `pip`, `uv`, `setuptools`, `wheel` become a list of section 3; most robots."""
    found = tell(ROBOT + "condaConfigFile: conda.yaml\n", {"conda.yaml": CONDA})

    assert ("idna==3.10", "attrs==23.1.0") == lines(found)
    (needs,) = found.launch.needs
    assert ("3.11.9", "3.11.9", (), ()) == (found.launch.python, needs.python, needs.programs, needs.impossible)
    assert set(PLATFORMS) == set(needs.platforms)


def test_programs_are_the_machines_and_the_rest_is_named() -> None:
    conda = "dependencies:\n  - python=3.11\n  - nodejs=18.*\n  - conda-forge::git\n  - gdal=3\n  - openssl=3.1=h1\n"

    (needs,) = launch(ROBOT + "environmentConfigs: [conda.yaml]\n", {"conda.yaml": conda}).needs

    assert (("nodejs=18", "git"), ("gdal",)) == (needs.programs, needs.impossible)


def test_a_package_yaml_says_the_same_in_other_words() -> None:
    text = (
        "dependencies:\n  conda-forge:\n    - python=3.12.1\n    - uv=0.2\n  pypi:\n    - robocorp=1.4.0\n"
        "post-install:\n  - python -m x\n"
    )
    found = tell(ROBOT + "environmentConfigs: [package.yaml]\n", {"package.yaml": text})

    assert ("robocorp==1.4.0",) == lines(found)
    assert (("python -m x",), "3.12.1") == (found.launch.needs[0].run_once, found.launch.needs[0].python)


def test_each_platform_takes_the_first_file_that_fits_it() -> None:
    freeze = "dependencies:\n  - python=3.10.1\n  - libffi=3.4=h6\n  - pip:\n    - idna==3.9\n"
    robot = ROBOT + "environmentConfigs: [environment_windows_amd64_freeze.yaml, gone.yaml, conda.yaml]\n"

    found = tell(robot, {"environment_windows_amd64_freeze.yaml": freeze, "conda.yaml": CONDA})

    by_config = {needs.config: needs for needs in found.launch.needs}
    assert ("windows_amd64",) == by_config["environment_windows_amd64_freeze.yaml"].platforms
    assert ("3.10.1", ()) == ((one := by_config["environment_windows_amd64_freeze.yaml"]).python, one.impossible)
    assert 5 == len(by_config["conda.yaml"].platforms)
    windows = "idna==3.9 ; (sys_platform == 'win32' and (platform_machine == 'x86_64' or platform_machine == 'AMD64'))"
    assert windows in lines(found)
    assert "3.10.1" == found.launch.python


def test_without_a_file_that_fits_the_machines_own_path_is_all() -> None:
    found = tell(ROBOT)

    assert ("", None) == (found.launch.python, found.requirements)
    assert [""] == [needs.python for needs in found.launch.needs]


def test_folders_and_scripts_are_taken_along() -> None:
    robot = ROBOT + "PATH: [., bin]\nPYTHONPATH: [lib]\npreRunScripts: [prepare_linux.sh]\nignoreFiles: [.gitignore]\n"

    found = launch(robot)

    assert ((".", "bin"), ("lib",), ("prepare_linux.sh",)) == (found.path, found.python_path, found.before)
    assert "output" == found.artifacts
