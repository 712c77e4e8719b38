"""The rows of the table of kinds, one by one (bot-packages.md §2, §2.1)."""

import pytest

from agent.wire.starting import Start
from agent.wire.words import Kind, ReportPolicy
from hub.domain.kinds import RULES
from hub.domain.package_options import PackageOptions
from hub.domain.packages import Package, PackageError, Recognised, recognise
from hub.domain.requirements import LockFile, Requirements

PROJECT = '[project]\nname="x"\nversion="1"\nrequires-python=">=3.11"\ndependencies=["idna>=3"]\n'
BUILT = '[build-system]\nrequires=["hatchling"]\nbuild-backend="hatchling.build"\n'
SCRIPTS = '[project.scripts]\nrun="x.jobs:main"\n'
LOCK = """version = 1
[[package]]
name = "x"
source = { editable = "." }
[package.metadata]
requires-dist = [{ name = "idna", specifier = ">=3" }]
[[package]]
name = "idna"
version = "3.10"
source = { registry = "https://index.example/simple" }
wheels = [{ url = "https://index.example/idna.whl" }]
"""
INLINE = '# /// script\n# requires-python = ">=3.12"\n# dependencies = ["idna"]\n# ///\nprint(1)\n'
SUITE = "*** Tasks ***\nDo It\n    Log    1\n"
MAIN_CLASS = "Manifest-Version: 1.0\nMain-Class: a.B\n"


def package(files: dict[str, str] | None = None, **more: str) -> Package:
    """A package with these texts."""
    texts = {**(files or {}), **more}
    return Package(
        executable=dict.fromkeys(texts, False), contents={path: text.encode() for path, text in texts.items()}
    )


def tell(files: dict[str, str], **options: object) -> Recognised:
    """What is told of a package."""
    return recognise(package(files), PackageOptions(**options))  # type: ignore[arg-type]  # tests say what people say


def refusal(files: dict[str, str], **options: object) -> PackageError:
    """Why a package is refused."""
    with pytest.raises(PackageError) as refused:
        tell(files, **options)
    return refused.value


def test_every_kind_has_its_row() -> None:
    assert list(Kind) == [rule.kind for rule in RULES]


@pytest.mark.parametrize(
    ("files", "kind", "entry"),
    [
        ({"robot.yaml": "tasks: {A: {shell: x}}\nartifactsDir: output\n", "main.py": ""}, Kind.ROBOCORP, "A"),
        ({"bot.py": "", "requirements.txt": "botcity-x", "pyproject.toml": PROJECT}, Kind.BOTCITY, "bot.py"),
        ({"pyproject.toml": PROJECT, "uv.lock": LOCK, "main.py": "", "t.robot": SUITE}, Kind.PROJECT, "main.py"),
        ({"pyproject.toml": PROJECT, "main.py": "", "requirements.txt": "x"}, Kind.PROJECT, "main.py"),
        ({"tasks.robot": SUITE, "helper.py": "", "package.json": "{}"}, Kind.ROBOT, "tasks.robot"),
        ({"tasks/a.robot": SUITE, "keywords.robot": "*** Keywords ***\n"}, Kind.ROBOT, "tasks/a.robot"),
        ({"totals.py": INLINE}, Kind.SCRIPT, "totals.py"),
        ({"totals.py": INLINE, "other.py": ""}, Kind.SCRIPT, "totals.py"),
        ({"tool.py": INLINE, "main.py": ""}, Kind.PYTHON, "main.py"),
        ({"main.py": "", "package.json": "{}"}, Kind.PYTHON, "main.py"),
        ({"package.json": '{"scripts": {"start": "x"}}', "run.sh": ""}, Kind.NODE, "package.json"),
        ({"package.json": '{"main": "./dist/app.js"}', "dist/app.js": "", "index.js": ""}, Kind.NODE, "dist/app.js"),
        ({"package.json": "{}", "bot.js": ""}, Kind.NODE, "bot.js"),
        ({"a.jar": MAIN_CLASS, "run.sh": ""}, Kind.JAVA, "a.jar"),
        ({"a-jar-with-dependencies.jar": MAIN_CLASS, "a.jar": MAIN_CLASS}, Kind.JAVA, "a-jar-with-dependencies.jar"),
        ({"lib.jar": "", "run.sh": ""}, Kind.SHELL, "run.sh"),
        ({"x.ps1": "", "x.bat": ""}, Kind.POWERSHELL, "x.ps1"),
        ({"X.CMD": "", "x.sh": ""}, Kind.BATCH, "X.CMD"),
    ],
)
def test_the_first_row_that_fits_wins(files: dict[str, str], kind: Kind, entry: str) -> None:
    launch = tell(files).launch

    assert (kind, entry) == (launch.kind, launch.entry)


@pytest.mark.parametrize(
    ("files", "listed", "example"),
    [
        ({"robot.yaml": "tasks: {Load it: {shell: x}, B: {shell: y}}\nartifactsDir: o\n"}, "Load it, B", "'Load it'"),
        ({"pyproject.toml": PROJECT, "main.py": "", "bot.py": ""}, "main.py, bot.py", "main.py"),
        ({"a.robot": SUITE, "b.robot": SUITE}, "a.robot, b.robot", "a.robot"),
        ({"a.py": INLINE, "b.py": INLINE}, "a.py, b.py", "a.py"),
        ({"a.jar": MAIN_CLASS, "b.jar": MAIN_CLASS}, "a.jar, b.jar", "a.jar"),
        ({"a.ps1": "", "b.ps1": ""}, "a.ps1, b.ps1", "a.ps1"),
        ({"a.bat": "", "b.cmd": ""}, "a.bat, b.cmd", "a.bat"),
    ],
)
def test_two_candidates_are_listed_with_the_option_that_chooses(
    files: dict[str, str], listed: str, example: str
) -> None:
    """Never guess; the example is pasted as it stands."""
    refused = refusal(files)

    assert "ambiguous_entry" == refused.code
    assert f"{listed}; name one with --entry, such as --entry {example}" in str(refused)
    chosen = example.strip("'")
    assert chosen == tell(files, entry=chosen).launch.entry


# --- Python projects ---


@pytest.mark.parametrize(
    ("pyproject", "files", "entry", "meant"),
    [
        (PROJECT + SCRIPTS + BUILT, ("src/x/jobs.py",), None, ("run", Start.COMMAND)),
        (PROJECT + SCRIPTS, ("x/jobs.py", "main.py"), None, ("x.jobs:main", Start.FUNCTION)),
        (PROJECT, ("main.py", "x/__main__.py"), None, ("main.py", Start.FILE)),
        (PROJECT, ("x/__init__.py", "x/__main__.py"), None, ("x", Start.MODULE)),
        (PROJECT, ("src/x/__init__.py", "src/x/__main__.py"), None, ("x", Start.MODULE)),
        (PROJECT + SCRIPTS + BUILT, ("x/jobs.py", "main.py"), "main.py", ("main.py", Start.FILE)),
        (PROJECT, ("x/jobs.py", "main.py"), "x.jobs", ("x.jobs", Start.MODULE)),
        (PROJECT, ("x/jobs.py", "main.py"), "x.jobs:other", ("x.jobs:other", Start.FUNCTION)),
        (PROJECT, ("x/jobs.py", "main.py"), "x/jobs.py", ("x/jobs.py", Start.FILE)),
    ],
)
def test_the_entry_of_a_project_is_found_in_order(
    pyproject: str, files: tuple[str, ...], entry: str | None, meant: tuple[str, Start]
) -> None:
    """§2.1: what is named; the only script; main.py, bot.py, __main__.py at the root or in the only package."""
    launch = tell({"pyproject.toml": pyproject, **dict.fromkeys(files, "")}, entry=entry).launch

    assert meant == (launch.entry, launch.start)
    assert ("build-system" in pyproject) == launch.install


def test_an_entry_that_a_project_does_not_have_is_refused_with_what_it_has() -> None:
    refused = refusal({"pyproject.toml": PROJECT + SCRIPTS, "x/jobs.py": "", "main.py": ""}, entry="x.nothing:main")

    assert "no_such_entry" == refused.code
    assert "main.py" in str(refused)
    assert "run" in str(refused)


def test_a_locked_project_brings_its_lock_and_an_unlocked_one_its_dependencies() -> None:
    locked = tell({"pyproject.toml": PROJECT, "uv.lock": LOCK, "main.py": ""}).requirements
    unlocked = tell({"pyproject.toml": PROJECT, "main.py": ""}).requirements

    assert isinstance(locked, LockFile)
    assert ({"pyproject.toml", "uv.lock"}, (), False) == (set(locked.files), locked.differs, locked.builds_source)
    assert isinstance(unlocked, Requirements)
    assert ("idna>=3",) == unlocked.lines
    assert tell({"pyproject.toml": '[project]\nname="x"\n', "main.py": ""}).requirements is None


def test_a_lock_that_was_made_for_something_else_is_seen() -> None:
    other = PROJECT.replace("idna>=3", "idna<3")
    more = PROJECT.replace("idna>=3", 'idna>=3","attrs')
    without_wheel = LOCK.replace('wheels = [{ url = "https://index.example/idna.whl" }]', "")

    found = tell({"pyproject.toml": other, "uv.lock": LOCK, "main.py": ""}).requirements
    built = tell({"pyproject.toml": PROJECT, "uv.lock": without_wheel, "main.py": ""}).requirements

    assert isinstance(found, LockFile)
    assert ("idna",) == found.differs
    assert isinstance(built, LockFile)
    assert built.builds_source
    assert "stale_lock" == refusal({"pyproject.toml": more, "uv.lock": LOCK, "main.py": ""}).code


@pytest.mark.parametrize(
    ("pyproject", "code", "says"),
    [
        ("[tool.poetry.dependencies]\npython='^3.11'\nrequests='*'\n", "kind_not_supported", "poetry export"),
        (PROJECT + '[tool.uv.sources]\nidna = {path="../idna"}\n', "lock_needed", "uv lock"),
        (PROJECT.replace("idna>=3", "idna @ https://x.example/i.whl"), "bad_requirements", "plain requirement"),
        ("[project\n", "bad_pyproject", "pyproject.toml"),
    ],
)
def test_what_a_project_cannot_mean_here_is_said(pyproject: str, code: str, says: str) -> None:
    refused = refusal({"pyproject.toml": pyproject, "main.py": ""})

    assert code == refused.code
    assert says in str(refused)


# --- the others ---


def test_a_script_with_metadata_brings_its_requirements_and_its_python() -> None:
    found = tell({"totals.py": INLINE})
    locked = tell({"totals.py": INLINE, "totals.py.lock": LOCK}).requirements

    assert isinstance(found.requirements, Requirements)
    assert (("idna",), ">=3.12") == (found.requirements.lines, found.launch.python)
    assert isinstance(locked, LockFile)
    assert ("totals.py", {"totals.py", "totals.py.lock"}) == (locked.script, set(locked.files))
    broken = INLINE.replace('["idna"]', "[")
    assert "bad_metadata" == refusal({"totals.py": broken}).code
    assert "bad_metadata" == refusal({"totals.py": INLINE + INLINE}).code


def test_a_suite_alone_gets_robot_framework_and_all_suites_may_be_named() -> None:
    alone = tell({"a.robot": SUITE}).requirements
    listed = tell({"a.robot": SUITE, "requirements.txt": "rpaframework\n"}).requirements

    assert isinstance(alone, Requirements)
    assert isinstance(listed, Requirements)
    assert (("robotframework",), ("rpaframework",)) == (alone.lines, listed.lines)
    both = {"tasks/a.robot": SUITE, "tasks/b.robot": SUITE}
    assert {".", "tasks"} == {tell(both, entry=entry).launch.entry for entry in (".", "tasks")}


def test_a_legacy_bot_is_a_module_and_its_list_may_be_that_of_the_distribution() -> None:
    """BotCity's old template: an sdist with setup.py and a package with __main__ (maestro.md §5)."""
    sdist = {
        "setup.py": "",
        "my_bot/__init__.py": "",
        "my_bot/__main__.py": "",
        "my_bot.egg-info/requires.txt": "botcity-maestro-sdk\n\n[:sys_platform == 'win32']\npywin32\n\n[dev]\npytest\n",
    }
    found = tell(sdist)

    assert (Kind.BOTCITY, "my_bot", Start.MODULE) == (found.launch.kind, found.launch.entry, found.launch.start)
    assert ReportPolicy.REQUIRED is found.launch.report
    assert isinstance(found.requirements, Requirements)
    assert ("botcity-maestro-sdk", "pywin32 ; sys_platform == 'win32'") == found.requirements.lines
    plain = {**sdist, "my_bot.egg-info/requires.txt": "requests\n"}
    assert (Kind.PYTHON, "my_bot") == ((launch := tell(plain).launch).kind, launch.entry)


def test_what_is_stored_of_a_build_tells_the_same_again() -> None:
    """A hub reads a build again when it resolves it: kind, entry, command and Python of its launch are all it has."""
    cases: list[dict[str, str]] = [
        {"robot.yaml": "tasks: {A: {shell: 'x {y}'}}\nartifactsDir: output\n"},
        {"pyproject.toml": PROJECT + SCRIPTS, "x/jobs.py": ""},
        {"pyproject.toml": PROJECT + SCRIPTS + BUILT, "x/jobs.py": ""},
        {"setup.py": "", "my_bot/__main__.py": "", "requirements.txt": "botcity-x"},
        {"totals.py": INLINE},
        {"a.robot": SUITE},
        {"tool": "", "botyard.toml": 'command = ["{path}/tool", "{maestro_token}"]'},
    ]
    for files in cases:
        first = tell(files)
        launch = first.launch
        again = tell(
            files,
            kind=launch.kind,
            entry=launch.entry or None,
            command=launch.command or None,
            python=launch.python or None,
        )
        assert first.requirements == again.requirements
        assert launch == again.launch
