"""Wrong guesses against every command: the sentence that each gets, and its exit code (issue 3, bad input).

`WRONG` is the list: what was typed, the exit code (`design.md` §5: 2 usage, 7 hub not reached, 1 all else), and the
sentence's words. Each is one line that names the field and the remedy; faults of one request follow, one a line.
"""

import json
import sys
from functools import partial
from pathlib import Path

import pytest

from hub.cli.failing import Exit
from tests.support.api_hub import ApiWorld
from tests.support.typed import Typed, apart

EDIT = ("automation", "edit", "invoices")
SIZED = (*EDIT, "--desktop", "required", "--desktop-size")
WRONG: tuple[tuple[tuple[str, ...], int, str], ...] = (
    # words that are no command, no option, or miss something
    (("rnu",), 2, "there is no command 'rnu'. Did you mean run?"),
    (("task", "shwo"), 2, "No such command 'shwo'. Did you mean 'show'?"),
    (("run", "invoices", "--zyx"), 2, "No such option: --zyx. See botyard run --help."),
    (("run",), 2, "Missing argument 'label'. See botyard run --help."),
    (("automation", "create", "x"), 2, "Missing option '--bot'."),
    (("automation", "edit", "invoices"), 2, "nothing to change was named"),
    # numbers and words of closed lists
    (("run", "invoices", "--priority", "99"), 2, "'--priority': it must be at most 10."),
    (("run", "invoices", "--priority", "high"), 2, "'--priority': it must be a whole number."),
    (("task", "list", "--limit", "0"), 2, "'--limit': it must be at least 1."),
    (
        ("task", "list", "--state", "runing"),
        2,
        "state: is none of the words that are known here (one of waiting, queued",
    ),
    (("task", "list", "--outcome", "ok"), 2, "outcome: is none of the words that are known here (one of succeeded"),
    (("key", "create", "x", "--role", "boss"), 2, "role: is none of the words that are known here (one of viewer"),
    (("key", "create", "a/b"), 2, "A key's name begins with a letter or digit"),
    (("logs", "1", "--execution", "foo"), 2, "'foo' is no attempt; botyard task show 1 --json names them"),
    (("completion", "powershell"), 2, "'powershell' is none of bash, zsh, fish"),
    # moments
    (("run", "invoices", "--not-before", "tomorrow"), 2, "--not-before: 'tomorrow' is no moment; say 2026-03-31"),
    (("events", "--since", "yesterday"), 2, "--since: 'yesterday' is no moment; say 2026-03-31"),
    (("events", "--type", "foo bar"), 2, "--type: 'foo bar' is no type; say task.settled, or task"),
    # names that nothing has, also with letters that mean something in an address
    (
        ("run", "invoicse"),
        1,
        "There is no automation 'invoicse' here. `botyard automation list` shows all. Did you mean",
    ),
    (("run", "a/b?c#d%e"), 1, "There is no automation 'a/b?c#d%e' here."),
    (("task", "show", "a/b?c#d%e"), 1, "There is no task 'a/b?c#d%e' here. `botyard task list` shows all."),
    (("task", "show", ""), 2, "'' names nothing; give an id, a number, a label or a name."),
    (("task", "show", ".."), 2, "'..' names nothing"),
    (("task", "list", "--automation", "nobody"), 1, "There is no automation 'nobody' here."),
    (
        ("task", "list", "--runner", "desk-2"),
        1,
        "There is no runner 'desk-2' here. `botyard runner list` shows all. Did",
    ),
    (("runner", "drain", "nobody"), 1, "There is no runner 'nobody' here."),
    (
        ("bot", "show", "invoice"),
        1,
        "There is no bot 'invoice' here. Deploy it first: botyard deploy PATH. Did you mean",
    ),
    (("bot", "release", "invoices", "9"), 1, "has no version '9' here. Deploy it first"),
    (("automation", "create", "x", "--bot", "invoice"), 1, "There is no bot 'invoice' here."),
    (("key", "revoke", "nope"), 1, "There is no key 'nope' here. `botyard key list` shows all."),
    (("events", "--task", "999"), 1, "There is no task '999' here."),
    # definitions
    (("automation", "create", "a/b", "--bot", "invoices"), 2, "label: 'a/b' is no label (begin with a letter"),
    (("automation", "create", "pagination", "--bot", "invoices"), 2, "fixed word of BotCity's paths"),
    (("automation", "create", "invoices", "--bot", "invoices"), 1, "There is an automation 'invoices' already."),
    (("automation", "create", "y", "--bot", "invoices", "--need", "os"), 2, "--need: 'os' is no name=value"),
    (("automation", "create", "y", "--bot", "invoices", "--need", "os=a b"), 2, "needs.os: 'a b' can't be a label"),
    (("automation", "create", "y", "--bot", "invoices", "--report", "x"), 2, "report: is none of the words"),
    (("runner", "token", "--label", "room"), 2, "--label: 'room' is no name=value"),
    (("runner", "token", "--name", "a/b"), 2, "name: 'a/b' can't be a runner's name (begin with a letter or digit"),
    (("runner", "revoke", "desk-1"), 2, "nobody is there to confirm: say --yes"),
    # what contradicts itself
    (
        (*EDIT, "--application", "sap", "--application", "none"),
        2,
        "--application none and --application sap",
    ),
    (
        (*EDIT, "--use", "none", "--use", "sap=1"),
        2,
        "--use none and --use sap=1 contradict each other: say one",
    ),
    ((*EDIT, "--record", "--no-record"), 2, "--record and --no-record contradict each other: say one of them."),
    ((*EDIT, "--no-failure-screenshot", "--failure-screenshot"), 2, "--failure-screenshot and --no-failure-screenshot"),
    ((*EDIT, "--pause", "--unpause"), 2, "--pause and --unpause contradict each other"),
    (
        (*EDIT, "--desktop", "none", "--desktop-size", "1280x720"),
        2,
        "--desktop none and --desktop-size 1280x720",
    ),
    ((*EDIT, "--desktop", "none", "--record"), 2, "--desktop none and --record contradict each other"),
    (
        ("queue", "create", "q", "--unique-references", "--any-references"),
        2,
        "--unique-references and --any-references",
    ),
    (("deploy", "{file}", "--release", "--no-release"), 2, "--release and --no-release contradict each other"),
    (("deploy", "{file}", "--automation", "--no-automation"), 2, "--automation and --no-automation contradict"),
    # sizes
    ((*SIZED, "1280"), 2, "desktop_size: '1280' is no size (say WIDTHxHEIGHT in pixels, as 1920x1080, from 320x200 to"),
    ((*SIZED, "1280x"), 2, "desktop_size: '1280x' is no size (say WIDTHxHEIGHT"),
    ((*SIZED, "0x0"), 2, "desktop_size: '0x0' is no size (say WIDTHxHEIGHT"),
    ((*SIZED, "99999x99999"), 2, "desktop_size: '99999x99999' is no size (say WIDTHxHEIGHT"),
    ((*SIZED, "1280X720"), 2, "desktop_size: '1280X720' is no size (say WIDTHxHEIGHT"),
    # packages
    (("deploy", "/does/not/exist"), 2, "there is no /does/not/exist."),
    (("deploy", "{file}", "--args", '"'), 2, "--args: '\"' is no shell line: No closing quotation"),
    (("deploy", "{file}", "--kind", "foo"), 2, "kind: must be one of"),
    (("deploy", "{file}", "--bot", "a/b"), 2, "bot 'a/b' must begin with a letter"),
    (("deploy", "{folder}"), 2, "holds no file to deploy."),
    # files
    (("run", "strict", "--parameters", "/nope"), 2, "--parameters: /nope can't be read: No such file or directory."),
    (("run", "strict", "--parameters", "{folder}"), 2, "can't be read: Is a directory."),
    (("login", "http://127.0.0.1:9", "--token-file", "/nope"), 2, "--token-file: /nope can't be read: No such file"),
    (("support-bundle", "/nope/x.zip"), 2, "there is no folder /nope; name another file."),
    (("support-bundle", "--data", "/nope"), 2, "--data: there is no folder /nope"),
    (("hub", "bundle", "list", "--data", "/nope"), 2, "--data: there is no folder /nope; name the one of"),
    (("up", "--data", "{file}"), 2, "a file is where a folder has to be; name another place."),
    # the hub's own options
    (("up", "--port", "99999"), 2, "'--port': it must be at most 65535."),
    (("hub", "serve", "--data", "/dev/null/x", "--database", "foo"), 2, "--database is not a database URL"),
    (("hub", "serve", "--data", "/dev/null/x", "--host", "0.0.0.0"), 2, "plain http on 0.0.0.0 would send tokens in"),
    (("hub", "serve", "--data", "/dev/null/x", "--tls-cert", "a.pem"), 2, "--tls-cert and --tls-key belong together"),
    # addresses
    (("login", "ftp://x"), 2, "'ftp://x' is no address of a hub; say something like https://hub.example:8040."),
    (("login", "http://h:abc"), 2, "'http://h:abc' is no address of a hub"),
    (("login", "http://h/api/v1"), 2, "has a path, and a hub's address has none; say http://h."),
    (("login", "http://127.0.0.1:9", "--token-file", "{file}"), 7, "(Connection refused). Is it running? botyard up"),
)


@pytest.mark.parametrize(("words", "code", "told"), WRONG, ids=[" ".join(words)[:60] for words, _, _ in WRONG])
async def test_a_wrong_guess_gets_one_line(
    world: ApiWorld, typed: Typed, tmp_path: Path, words: tuple[str, ...], code: int, told: str
) -> None:
    """Nothing on stdout, no traceback, a sentence that begins with the program's name."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "hello.sh").write_text("#!/bin/sh\n")
    places = {"{folder}": str(tmp_path / "empty"), "{file}": str(tmp_path / "hello.sh")}

    # A server changes its whole process before it looks at its options (`hub/loading.py`): it gets one of its own.
    type_ = partial(apart, world) if words[:2] == ("hub", "serve") else typed
    answer = await type_(*(places.get(word, word) for word in words))

    lines = [line for line in answer.err.splitlines() if not line.startswith(("uploading ", "warning: "))]
    assert (code, b"") == (answer.code, answer.out), answer.err
    assert told in answer.err
    assert lines[0].startswith("botyard: ")
    assert len(lines) <= 2
    assert "Traceback" not in answer.err


@pytest.mark.parametrize("words", [words for words, code, _ in WRONG if code == 1][:6])
async def test_for_scripts_a_failure_is_one_json_object(typed: Typed, words: tuple[str, ...]) -> None:
    """Issue 3, part 6: `--json` everywhere, also where it fails."""
    answer = await typed(*words, "--json")
    told = json.loads(answer.err)
    assert (1, 1) == (answer.code, told["exit_code"])
    assert told["error"]
    assert told["code"].startswith("no_")


async def test_all_faults_of_parameters_are_told_at_once(typed: Typed) -> None:
    """Issue 3, bad input: what was typed wrongly, what is unknown, what is missing, in one go."""
    made = await typed(
        "automation", "create", "typed", "--bot", "invoices", "-p", "count:integer", "-p", "month!", "-p", "ok:boolean"
    )
    assert 0 == made.code, made.err
    typo = ("-p", "count=many", "-p", "x:=NaN", "-p", "nothing", "-p", "yes=1", "-p", "ok=maybe")
    answer = await typed("run", "typed", *typo)
    assert 2 == answer.code
    head, *faults = answer.err.splitlines()
    assert "botyard: the parameters can't be taken." == head
    assert {
        "parameters.x: 'NaN' is no JSON (NaN is no number in JSON; for a text write -p x=…)",
        "parameters.nothing: no name=value (write -p name=value, or -p name:=JSON)",
        "parameters.yes: unknown parameter (known are: count, month, ok)",
        "parameters.count: is not an integer (give an integer)",
        "parameters.ok: is not true or false (give true or false)",
        "parameters.month: missing (give it; it is a text)",
    } == set(faults)
    from_hub = await typed("run", "typed", "-p", "count=many", "-p", "yes=1", "--json")
    told = json.loads(from_hub.err)
    assert {"parameters.count", "parameters.yes", "parameters.month"} == {one["field"] for one in told["faults"]}


async def test_all_faults_of_declared_parameters_are_told_at_once(typed: Typed) -> None:
    answer = await typed(
        "automation", "create", "y", "--bot", "invoices", "-p", "n:int", "-p", "m:integer=abc", "-p", "=3"
    )
    assert 2 == answer.code
    assert [
        "botyard: these parameters can't be declared.",
        "-p n:int: 'int' is no type (one of text, integer, number, boolean, json)",
        "-p m:integer=abc: 'abc' is no integer (give one as JSON writes it)",
        "-p =3: no name (write name, name=default, name!:type or name?:type)",
    ] == answer.err.splitlines()


@pytest.mark.parametrize(
    ("variable", "value", "code", "told"),
    [
        ("BOTYARD_TOKEN", "nope", Exit.FAILED, "the hub does not take this key. Say botyard login URL"),
        (
            "BOTYARD_URL",
            "http://127.0.0.1:9",
            Exit.UNREACHED,
            "no answer from the hub at http://127.0.0.1:9 (Connection",
        ),
        ("BOTYARD_URL", "{https}", Exit.UNREACHED, "speaks no TLS at that port: is its address http://"),
        ("BOTYARD_URL", "nonsense://", Exit.USAGE, "is no address of a hub"),
        ("BOTYARD_URL", "http://no-such-host.invalid", Exit.UNREACHED, "no answer from the hub"),
    ],
)
async def test_a_wrong_hub_or_key(
    world: ApiWorld, typed: Typed, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, code: int, told: str
) -> None:
    monkeypatch.setenv(variable, world.url.replace("http://", "https://") if value == "{https}" else value)
    answer = await typed("task", "list")
    assert (code, True) == (answer.code, told in answer.err), answer.err
    assert 1 == len(answer.err.splitlines())


@pytest.mark.skipif(sys.platform != "linux", reason="needs a folder in which not even root may make another: /sys")
async def test_a_folder_without_rights(typed: Typed) -> None:
    """Issue 3, bad input: no rights on the folder."""
    answer = await typed("up", "--data", "/sys/botyard")
    assert 1 == answer.code
    assert "botyard: /sys/botyard: no permission; run as its owner, or name another place.\n" == answer.err


async def test_what_nobody_foresaw_is_one_line_too(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never a traceback, but for who asks for it."""

    def fail() -> None:
        raise RuntimeError("a defect\nof ours")

    monkeypatch.setattr("hub.cli.task.connected", fail)
    answer = await typed("task", "list")
    assert 1 == answer.code
    assert answer.err.startswith("botyard: this failed as nobody foresaw (RuntimeError: a defect). BOTYARD_DEBUG=1")
    monkeypatch.setenv("BOTYARD_DEBUG", "1")
    with pytest.raises(RuntimeError, match="a defect"):
        await typed("task", "list")
