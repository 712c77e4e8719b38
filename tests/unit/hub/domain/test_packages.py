"""Which kind a package is, and how it is started (bot-packages.md §2)."""

import pytest

from agent.wire.words import Kind, ReportPolicy
from hub.domain.kinds import RULES
from hub.domain.package_options import OptionError, PackageOptions, parse
from hub.domain.packages import Package, PackageError, Recognised, recognise
from hub.domain.requirements import Requirements


def package(*plain: str, **contents: bytes) -> Package:
    """A package of files; `contents` names use `__` for a dot, a leading `x_` makes a file executable."""
    named = {name.removeprefix("x_").replace("__", "."): data for name, data in contents.items()}
    runs = {name.removeprefix("x_").replace("__", ".") for name in contents if name.startswith("x_")}
    paths = [*plain, *named]
    return Package(executable={path: path in runs for path in paths}, contents={**dict.fromkeys(plain, b""), **named})


def tell(found: Package, **options: object) -> Recognised:
    """What is told of a package."""
    return recognise(found, PackageOptions(**options))  # type: ignore[arg-type]  # tests say what people say


def refusal(found: Package, **options: object) -> PackageError:
    """Why a package is refused."""
    with pytest.raises(PackageError) as refused:
        tell(found, **options)
    return refused.value


@pytest.mark.parametrize(
    ("found", "kind", "entry"),
    [
        (package("bot.py", requirements__txt=b"botcity-maestro-sdk\n"), Kind.BOTCITY, "bot.py"),
        (package("bot.py", requirements__txt=b"BotCity_Framework.Web>=0.8\n"), Kind.BOTCITY, "bot.py"),
        (package("bot.py", "invoices.botproj"), Kind.BOTCITY, "bot.py"),
        (package("bot.py"), Kind.PYTHON, "bot.py"),
        (package("bot.py", requirements__txt=b"requests\n"), Kind.PYTHON, "bot.py"),
        (package("main.py", "helper.py", requirements__txt=b"botcity-x\n"), Kind.PYTHON, "main.py"),
        (package("report.py"), Kind.PYTHON, "report.py"),
        (package("report.py", "setup.py", "README.md"), Kind.PYTHON, "report.py"),
        (package("__main__.py", "other.py"), Kind.PYTHON, "__main__.py"),
        (package("job.py", requirements__txt=b""), Kind.PYTHON, "job.py"),
        (package("run.sh", "lib/x.sh"), Kind.SHELL, "run.sh"),
        (package(x_job=b"#!/bin/bash\necho\n"), Kind.SHELL, "job"),
        (package("main.py", "build.sh"), Kind.PYTHON, "main.py"),
        (package("main.py", pyproject__toml=b"[tool.ruff]\n"), Kind.PYTHON, "main.py"),
    ],
)
def test_the_first_row_that_fits_wins(found: Package, kind: Kind, entry: str) -> None:
    """design.md §1: BotCity is known by botcity-* or *.botproj; a bare bot.py is a plain script."""
    recognised = tell(found)

    assert (kind, entry) == (recognised.launch.kind, recognised.launch.entry)


def test_what_cannot_be_told_is_refused_with_what_was_looked_for() -> None:
    refused = refusal(package("README.md", "data.csv"))

    assert "unknown_package" == refused.code
    assert len(RULES) == len(refused.looked_for)
    assert all(rule in str(refused) for rule in refused.looked_for)


@pytest.mark.parametrize(
    "found",
    [
        package("main.py", "bot.py"),
        package("a.py", "b.py", requirements__txt=b"requests"),
        package("a.sh", "b.sh"),
        package("x.botproj", "a.py", "b.py"),
    ],
)
def test_two_candidates_have_to_be_named(found: Package) -> None:
    """bot-packages.md §2: never guess."""
    refused = refusal(found)
    entry = next(path for path in found.executable if path.endswith((".py", ".sh")))

    assert "ambiguous_entry" == refused.code
    assert "--entry" in str(refused)
    assert entry == tell(found, entry=entry).launch.entry


def test_a_package_without_its_entry_says_so() -> None:
    assert "no_entry" == refusal(package("data.csv", requirements__txt=b"botcity-maestro-sdk")).code
    assert "no_such_entry" == refusal(package("main.py"), entry="other.py").code


@pytest.mark.parametrize(
    ("found", "entry", "kind"),
    [
        (package("tasks.py", "robot.yaml"), "tasks.py", Kind.PYTHON),
        (package("bot.py", "two.py", requirements__txt=b"botcity-maestro-sdk"), "two.py", Kind.BOTCITY),
        (package("tool", "main.py"), "tool", Kind.EXECUTABLE),
        (package("bin/run.sh", "main.py"), "bin/run.sh", Kind.SHELL),
        (package(job=b"#!/bin/sh\n"), "job", Kind.SHELL),
    ],
)
def test_a_named_entry_wins_over_the_table(found: Package, entry: str, kind: Kind) -> None:
    assert (entry, kind) == ((launch := tell(found, entry=entry).launch).entry, launch.kind)


def test_a_named_kind_wins_over_the_table() -> None:
    found = package("bot.py", "run.sh", requirements__txt=b"botcity-maestro-sdk")

    assert [Kind.PYTHON, Kind.SHELL] == [tell(found, kind=kind).launch.kind for kind in (Kind.PYTHON, Kind.SHELL)]
    assert "unknown_package" == refusal(package("main.py"), kind=Kind.SHELL).code


def test_a_command_needs_no_entry() -> None:
    """maestro.md §5, technology COMMAND."""
    launch = tell(package("tool.bin"), command=("{path}/tool.bin", "{maestro_taskid}")).launch

    assert (Kind.EXECUTABLE, "") == (launch.kind, launch.entry)


def test_options_win_over_the_file_and_the_file_over_the_table() -> None:
    toml = b'entry = "two.py"\nreport = "required"\nargs = ["--month", "{month}"]\nneeds = {os = "linux"}\n'
    found = package("one.py", "two.py", botyard__toml=toml)

    recognised = tell(found)
    assert ("two.py", ("--month", "{month}")) == (recognised.launch.entry, recognised.launch.args)
    assert ReportPolicy.REQUIRED is recognised.launch.report
    assert {"os": "linux"} == recognised.needs
    assert "one.py" == tell(found, entry="one.py").launch.entry


@pytest.mark.parametrize(
    "toml",
    [
        b"entri = 'x'",
        b"kind = 'rpa'",
        b"args = 'x'",
        b"entry = '../x'",
        b"= nonsense",
        b"needs = {os = 1}",
        b"report = 1",
    ],
)
def test_a_botyard_toml_that_cannot_be_meant_is_refused(toml: bytes) -> None:
    """A misspelt key must not be silent."""
    assert "bad_option" == refusal(package("main.py", botyard__toml=toml)).code


@pytest.mark.parametrize(
    ("found", "options", "python"),
    [
        (package("main.py"), {}, ">=3.11"),
        (package("main.py", _python_version=b""), {}, ">=3.11"),
        (package("main.py"), {"python": "3.12"}, "3.12"),
        (package("main.py", pyproject__toml=b'[project]\nrequires-python=">=3.9,<3.13"'), {}, ">=3.11,<3.13"),
        (package("main.py", pyproject__toml=b'[project]\nrequires-python="<3.11"'), {}, "<3.11"),
        (package("run.sh"), {}, ""),
    ],
)
def test_the_python_is_what_the_package_says(found: Package, options: dict[str, object], python: str) -> None:
    assert python == tell(found, **options).launch.python


def test_a_pinned_version_file_is_read_and_names_of_environments_are_not() -> None:
    for said, python in ((b"3.12.1\n3.11", "3.12.1"), (b"my-env\n", ">=3.11")):
        found = Package(executable={"main.py": False, ".python-version": False}, contents={".python-version": said})
        assert python == tell(found).launch.python


def test_requirements_are_taken_along_with_their_includes() -> None:
    found = Package(
        executable=dict.fromkeys(("main.py", "requirements.txt", "req/base.txt"), False),
        contents={"requirements.txt": b"-r req/base.txt\nrequests>=2  # http\n", "req/base.txt": b"idna\n"},
    )
    wanted = tell(found).requirements

    assert isinstance(wanted, Requirements)
    assert "idna\nrequests>=2\n" == wanted.text()


def test_an_empty_list_needs_no_resolving() -> None:
    assert tell(package("main.py", requirements__txt=b"# nothing\n\n")).requirements is None


def test_braces_that_name_nothing_are_refused() -> None:
    assert "bad_option" == refusal(package("main.py"), args=("{month", "x")).code
    assert ("{{json}}", "{a.b}") == tell(package("main.py"), args=("{{json}}", "{a.b}")).launch.args


@pytest.mark.parametrize(("said", "expected"), [("", True), ('lines = "on"', True), ('lines = "off"', False)])
def test_lines_that_command_can_be_switched_off(said: str, expected: bool) -> None:
    """bot-packages.md §7: "They can be switched off per deployment"."""
    assert tell(package("main.py", botyard__toml=said.encode())).launch.lines is expected


def test_a_switch_is_on_or_off() -> None:
    """The sentence names the field and what it may be."""
    with pytest.raises(OptionError, match='lines must be "on" or "off", not \'no\''):
        parse({"lines": "no"}, where="botyard.toml")
