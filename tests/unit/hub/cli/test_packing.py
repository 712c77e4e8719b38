"""What `botyard deploy PATH` sends (design.md §1)."""

import os
import zipfile
from pathlib import Path

import pytest

from hub.cli.ignore_rules import is_ignored, parse
from hub.cli.packing import PackingError, files_of, pack


def tree(root: Path, *paths: str, **contents: str) -> Path:
    """A folder with these files (a `/` at the end makes a folder); keyword `_gitignore` becomes `.gitignore`."""
    for path in paths:
        target = root / path
        if path.endswith("/"):
            target.mkdir(parents=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(path)
    for name, text in contents.items():
        (root / name.replace("_", ".", 1)).write_text(text)
    return root


def test_a_folder_is_packed_without_what_is_never_a_bots(tmp_path: Path) -> None:
    root = tree(
        tmp_path / "invoices", "bot.py", "data/a.csv", "output/", ".git/config", "__pycache__/x.pyc", "x.pyc",
        "venv/pyvenv.cfg", "venv/lib/x.py", ".hidden",
    )  # fmt: skip

    assert [".hidden", "bot.py", "data/a.csv", "output/"] == files_of(root)


def test_the_same_folder_is_the_same_bytes(tmp_path: Path) -> None:
    """Deploying twice sends the same build."""
    root = tree(tmp_path / "bot", "main.py", "run.sh")
    (root / "run.sh").chmod(0o755)
    sent = []
    bits: dict[str, int] = {}
    for _ in range(2):
        with pack(root) as packed:
            sent.append(packed.path.read_bytes())
            assert "bot.zip" == packed.name
            bits = {
                entry.filename: entry.external_attr >> 16 & 0o111 for entry in zipfile.ZipFile(packed.path).infolist()
            }
        assert not packed.path.exists()
        (root / "main.py").touch()
    assert sent[0] == sent[1]
    assert {"main.py": 0, "run.sh": 0o111} == bits


def test_own_rules_win_over_gits(tmp_path: Path) -> None:
    root = tree(tmp_path / "a", "keep.log", "secret.env", _gitignore="*.log\n", _botyardignore="*.env\n.*\n")

    assert ["keep.log"] == files_of(root)


def test_what_may_hold_passwords_stays_here_and_is_named(tmp_path: Path) -> None:
    """Unless a line of the rules takes it in."""
    root = tree(tmp_path / "a", "bot.py", ".env", ".env.prod", ".env.example", "d/.env")
    with pack(root) as packed:
        assert (".env", ".env.prod", "d/.env") == packed.left_out
    assert [".env.example", "bot.py"] == files_of(root)
    (root / ".botyardignore").write_text("!.env\n")
    assert [".botyardignore", ".env", ".env.example", "bot.py", "d/.env"] == files_of(root)


def test_rules_of_folders_below_count_there(tmp_path: Path) -> None:
    root = tree(tmp_path / "a", "x.csv", "d/x.csv", "d/y.csv", "d/e/x.csv", _gitignore="e/\n")
    (root / "d" / ".gitignore").write_text("x.csv\n!y.csv\n")

    assert [".gitignore", "d/.gitignore", "d/y.csv", "x.csv"] == files_of(root)


def test_a_file_is_sent_as_it_is(tmp_path: Path) -> None:
    tree(tmp_path, "report.py")
    with pack(tmp_path / "report.py") as packed:
        assert (tmp_path / "report.py", "report.py") == (packed.path, packed.name)


def test_what_is_neither_folder_nor_file_is_named() -> None:
    """`botyard deploy /dev/null`: one sentence, and not a folder that would have to be elsewhere."""
    with pytest.raises(PackingError, match="neither a folder nor a file"), pack(Path(os.devnull)):
        pass


def test_links_stay_inside(tmp_path: Path) -> None:
    root = tree(tmp_path / "a", "bot.py")
    (root / "same.py").symlink_to("bot.py")
    assert ["bot.py", "same.py"] == files_of(root)
    (root / "out").symlink_to("/etc/passwd")
    with pytest.raises(PackingError, match=r"out is a link.*\.botyardignore"):
        files_of(root)


@pytest.mark.parametrize("make", ["missing", "empty", "ignored"])
def test_what_cannot_be_sent_says_why(tmp_path: Path, make: str) -> None:
    root = tmp_path / "x"
    if make != "missing":
        tree(root, "sub/", **({"_botyardignore": "*\n"} if make == "ignored" else {}))
    with pytest.raises(PackingError), pack(root):
        pass


@pytest.mark.parametrize(
    ("rules", "out", "kept"),
    [
        ("*.log", ["a.log", "d/b.log"], ["a.txt"]),
        ("/a.log", ["a.log"], ["d/a.log"]),
        ("d/*.log", ["d/a.log"], ["x/d/a.log", "d/e/a.log"]),
        ("**/d/x", ["d/x", "a/b/d/x"], ["d/y"]),
        ("d/**", ["d/x", "d/e/x"], ["d", "xd/x"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "a/xb"]),
        ("*.log\n!keep.log", ["a.log"], ["keep.log"]),
        ("a?c", ["abc"], ["a/c", "ac"]),
        ("[ab].x\n[!c].y", ["a.x", "d.y"], ["c.x", "c.y"]),
        ("\\#x\n\\!y\n# comment\n", ["#x", "!y"], ["x", "# comment"]),
        ("x\\*y", ["x*y"], ["xzy"]),
        ("trail   ", ["trail"], ["trail   "]),
        ("[", [], ["a"]),
    ],
)
def test_rules_are_read_as_git_reads_them(rules: str, out: list[str], kept: list[str]) -> None:
    parsed = parse(rules.splitlines())

    assert out == [path for path in out if is_ignored(path, parsed, is_folder=False)]
    assert [] == [path for path in kept if is_ignored(path, parsed, is_folder=False)]


def test_a_rule_for_folders_leaves_files_alone() -> None:
    parsed = parse(["build/"])

    assert [True, False] == [is_ignored("build", parsed, is_folder=is_folder) for is_folder in (True, False)]
