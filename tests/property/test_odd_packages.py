"""Whatever a package's files hold, it is recognised or refused with a sentence: nothing else ever comes out (S24)."""

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.wire.words import Kind
from hub.domain.kinds.package import Package
from hub.domain.package_options import PackageOptions
from hub.domain.packages import PackageError, recognise

TASK = "tasks: {A: {shell: x}}\nartifactsDir: o\n"
PROJECT = "[project]\nname='x'\n"
NEEDY = f"{PROJECT}dependencies=['idna']\n"
FILES: dict[str, tuple[str, ...]] = {
    "robot.yaml": (
        *("", "[]", "tasks: 1", "tasks: {A: 1}", "tasks: {A: {shell: ''}}\nartifactsDir: o", f"{TASK}PATH: x"),
        *("tasks: {A: {command: [1]}}\nartifactsDir: o", "tasks: {1: {shell: x}}\nartifactsDir: 3", TASK),
        *(f"{TASK}environmentConfigs: [conda.yaml]", f"{TASK}environmentConfigs: 5", f"{TASK}condaConfigFile: 5"),
    ),
    "conda.yaml": (
        *("", "dependencies: 1", "dependencies: [python=abc]", "dependencies: [python=3.11, {pip: idna}]"),
        *("dependencies: [{pip: [1]}]", "dependencies: [5]", "dependencies:\n- {pip: null}", "dependencies: [{}]"),
        *("dependencies: {conda-forge: x}", "dependencies: ['python=>3']", "dependencies: ['python==2.7']"),
    ),
    "pyproject.toml": (
        *("", "[project]", "[project]\ndependencies=1", "[project]\ndependencies=[1]", "[project]\nscripts=1"),
        *(f"{PROJECT}scripts={{a='b:c'}}", f"{PROJECT}scripts={{a=1}}", "project=1", "tool=1", "= x", NEEDY),
        *(f"{NEEDY}requires-python=3", f"{NEEDY}requires-python='>=2,<3'", f"[tool]\nuv=3\n{NEEDY}"),
    ),
    "uv.lock": (
        *("", "package=1", "[[package]]\nname=1", "package=[1]", "[[package]]\nname='idna'\nsource=1", "= x"),
        "[[package]]\nname='idna'\nsource={virtual='.'}\nmetadata={requires-dist=[1]}",
    ),
    "package.json": ("", "[]", "{", '{"scripts": 1}', '{"main": 5}', '{"scripts": {"start": 1}}'),
    "x.py": (
        "",
        "# /// script\n# x\n# ///\n",
        "# /// script\n# dependencies=1\n# ///\n",
        "# /// script\n# dependencies=['idna']\n# requires-python=5\n# ///\n",
    ),
    "x.py.lock": ("", "a=", "package=3"),
    "a.robot": ("", "*** Tasks ***"),
    "setup.py": ("",),
    "p/__main__.py": ("",),
    "p.egg-info/requires.txt": ("[x", "idna\n[:x]\nb", "[:]"),
    "requirements.txt": ("idna", "-e .", "\0"),
    "bot.py": ("",),
    "main.py": ("",),
    ".python-version": ("3.99", "x"),
    "botyard.toml": ("", "kind='robot'", "entry='.'", "entry='x:y'"),
    "a.jar": ("Main-Class: a",),
    "b.ps1": ("",),
}
PACKAGES = st.lists(st.sampled_from(sorted(FILES)), min_size=1, max_size=5, unique=True).flatmap(
    lambda names: st.fixed_dictionaries({name: st.sampled_from(FILES[name]) for name in names})
)
KINDS = st.none() | st.sampled_from(list(Kind))
ENTRIES = st.none() | st.sampled_from([".", "x.py", "a:b", "p", "A", "a", "package.json"])


@settings(max_examples=1500, deadline=None)
@given(files=PACKAGES, kind=KINDS, entry=ENTRIES)
def test_a_package_is_recognised_or_refused(files: dict[str, str], kind: Kind | None, entry: str | None) -> None:
    package = Package(
        executable=dict.fromkeys(files, False), contents={path: text.encode() for path, text in files.items()}
    )
    with contextlib.suppress(PackageError):
        launch = recognise(package, PackageOptions(kind=kind, entry=entry)).launch
        assert kind in {None, launch.kind}
