"""Requirement lists before uv reads them, and its answer from a runner (S25)."""

import contextlib
import time

import pytest

from hub.domain.requirements import RequirementError, check_lock, collect

HASH = "--hash=sha256:" + "0" * 64


def lines(text: str | bytes) -> tuple[str, ...]:
    """What a list becomes."""
    data = text.encode() if isinstance(text, str) else text
    return collect("requirements.txt", {"requirements.txt": data}.get).lines


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("requests", ("requests",)),
        ("requests==2.31.0 ; python_version < '3.13'  # why", ("requests==2.31.0 ; python_version < '3.13'",)),
        ("a[x,y]>=1,<2\n\n# c\nb~=1.0", ("a[x,y]>=1,<2", "b~=1.0")),
        (f"a==1 \\\n    {HASH} \\\n    {HASH}\n", ("a==1",)),
        ("a (>=1)", ("a (>=1)",)),
        ("\ufeffa\r\nb\r\n", ("a", "b")),
        ("a\nb".encode("utf-16"), ("a", "b")),
        ("a==2.0+local.1", ("a==2.0+local.1",)),
    ],
)
def test_names_with_versions_pass(text: str | bytes, found: tuple[str, ...]) -> None:
    assert found == lines(text)


@pytest.mark.parametrize(
    "line",
    [
        "-i https://evil.example/simple",
        "--extra-index-url=https://evil.example",
        "--find-links /srv",
        "-e .",
        "-c constraints.txt",
        "git+https://example.org/x.git",
        "x @ https://example.org/x.whl",
        "x@file:///etc/passwd",
        "https://example.org/x.whl",
        "./x.whl",
        "../x",
        "/etc/passwd",
        "C:\\x.whl",
        "x==${SECRET}",
        "${HOME}/x",
        "a b",
        "a;$HOME",
    ],
)
def test_everything_else_is_refused_with_a_remedy(line: str) -> None:
    """S25, S47: what uv would read or reach for it is more than a package may ask of the hub."""
    with pytest.raises(RequirementError):
        lines(line)


@pytest.mark.parametrize("line", ["-r ../x.txt", "-r /etc/passwd", "-r requirements.txt", "-r missing.txt", "-r C:/x"])
def test_an_include_stays_in_the_package_and_ends(line: str) -> None:
    with pytest.raises(RequirementError):
        lines(line)


def test_long_lines_are_read_in_linear_time() -> None:
    """S42: no list makes the check slow."""
    started = time.perf_counter()
    for line in ("a" + "-" * 7900, "a[" + " " * 7900, "a;" + "'" * 7900 + "$", "a==1" + " --hash" * 1000, "a" * 10**6):
        with contextlib.suppress(RequirementError):
            lines(line)
    assert time.perf_counter() - started < 1


def test_a_runners_list_has_exact_versions_with_hashes_and_all_that_was_asked_for() -> None:
    check_lock(
        f"# a comment\nA_b==1.0 \\\n    {HASH}\nc==2 ; sys_platform == 'win32' {HASH} {HASH}\n", frozenset({"a-b"})
    )


@pytest.mark.parametrize(
    "text",
    [
        f"b==1 {HASH}",
        "a==1",
        f"a>=1 {HASH}",
        f"a @ http://x {HASH}",
        f"-i http://x\na==1 {HASH}",
        "",
        f"a==1 {HASH}\n./x {HASH}",
    ],
)
def test_any_other_list_of_a_runner_is_refused(text: str) -> None:
    with pytest.raises(RequirementError):
        check_lock(text, frozenset({"a"}))


def test_a_package_may_name_its_own_wheels_and_nothing_else() -> None:
    """bot-packages.md §3, offline: `--no-index` and its own folders are understood, any other place is refused."""
    text = "--no-index\n--find-links ./wheels/\n-f vendor\n--find-links=wheels\na==1\n-r more.txt\n"
    files = {"requirements.txt": text.encode(), "more.txt": b"b\n"}
    found = collect("requirements.txt", files.get)
    assert (("a==1", "b"), True) == (found.lines, found.no_index)
    assert not collect("more.txt", files.get).no_index
    for place in ("../wheels", "/srv/wheels", "https://evil.example/", "other", "file:wheels"):
        with pytest.raises(RequirementError, match="wheels/ or vendor/"):
            lines(f"--find-links {place}\na\n")
