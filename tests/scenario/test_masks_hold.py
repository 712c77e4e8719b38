"""A seeded secret, cut at every byte, while the daemon is killed: nobody stores it, in any form (S15, C10; issue 3)."""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from agent.masking import PatternSet, patterns_of
from agent.masking.automaton import look
from agent.shim.exit_file import read_exit
from tests.support.rig import Rig, bots_alive
from tests.support.shims import DISK
from tests.support.waiting import eventually

try:
    from compression import zstd  # type: ignore[import-not-found,unused-ignore]  # Python 3.14
except ImportError:
    from backports import zstd

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"

# The secret is made at run time, so that it stands in no package: the test knows how.
BOT = r"""
import base64, hashlib, html, json, os, pathlib, shlex, sys, time
from urllib.parse import quote, quote_plus

folder = pathlib.Path(json.loads(pathlib.Path(os.environ["BOTYARD_PARAMETERS"]).read_text())["folder"])
digest = hashlib.sha256(os.environ["BOTYARD_EXECUTION_ID"].encode()).hexdigest()
secret = "S3<" + digest[:9] + "/&'\"\u00f6 %" + digest[9:15]
raw = secret.encode()
FORMS = [
    raw,
    base64.b64encode(raw), base64.b64encode(b"u:" + raw + b"\n"), base64.urlsafe_b64encode(b"u" + raw),
    quote(secret).encode(), quote_plus(secret).encode(), quote(secret, safe="").lower().encode(),
    json.dumps(secret).encode(), json.dumps(secret, ensure_ascii=False).replace("/", "\\/").encode(),
    html.escape(secret).encode(), html.escape(secret).encode("ascii", "xmlcharrefreplace"),
    shlex.quote(secret).encode(), raw.hex().encode(), raw.hex().upper().encode(),
    secret.encode("utf-16-le"), secret.encode("utf-16-be"),
]

def cut_everywhere(stream):
    for form in FORMS:
        for at in range(len(form) + 1):
            os.write(stream, b"<" + form[:at])
            time.sleep(0.0005)
            os.write(stream, form[at:] + b">\n")

os.write(1, b"::add-mask::" + secret.replace("%", "%25").encode() + b"\n")
cut_everywhere(1)
os.write(1, b"half " + raw[:7])
while not (folder / "go").exists():
    time.sleep(0.02)
os.write(1, raw[7:] + b"\n")
cut_everywhere(2)
print(f"::error title={quote(secret)}::no {secret}")
print(f"::progress percent=90::at {secret}", flush=True)
pathlib.Path(os.environ["BOTYARD_RESULT"]).write_text(json.dumps({"status": "failed", "message": "no " + secret}))
pathlib.Path(os.environ["BOTYARD_OUTPUT"]).write_text("name=" + secret + "\n")
pathlib.Path(os.environ["BOTYARD_SUMMARY"]).write_text("# " + html.escape(secret))
sys.exit("could not log in with " + secret)
"""
OWN_FILES = {"masks", "result/result.json", "result/outputs", "result/summary.md"}
"""Of the execution: what the shim keeps for its daemon, and what the bot itself wrote."""


def secret_of(execution_id: str) -> bytes:
    """The bot's secret."""
    digest = hashlib.sha256(execution_id.encode()).hexdigest()
    return ("S3<" + digest[:9] + "/&'\"\u00f6 %" + digest[9:15]).encode()


def contents(path: Path) -> Iterator[bytes]:
    """What stands in a file: its bytes, what is packed in them, the values of a database."""
    data = path.read_bytes()
    yield data
    at = data.find(ZSTD_MAGIC)
    while at >= 0:
        # The magic may be there by chance.
        with suppress(zstd.ZstdError):
            yield zstd.ZstdDecompressor().decompress(data[at:])
        at = data.find(ZSTD_MAGIC, at + 1)
    if data.startswith(b"SQLite format 3"):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            yield "\n".join(database.iterdump()).encode("utf-8", "surrogatepass")


def hits(folder: Path, secret: bytes) -> list[str]:
    """Files below `folder` in which the secret stands in any form."""
    automata = PatternSet([secret]).automata()
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    return [str(file.relative_to(folder)) for file in files if any(look(automata, data)[0] for data in contents(file))]


async def test_no_form_of_a_secret_is_stored_anywhere(tmp_path: Path) -> None:
    """C10: cut at every byte, in two reads, over a daemon's kill -9: 0 hits in segments, spool, hub files and rows."""
    async with Rig(tmp_path) as rig:
        # given a bot that names its secret by `::add-mask::`, and prints it in sixteen forms, each cut everywhere
        await rig.add_runner("desk-1")
        await rig.deploy("leaker", {"main.py": BOT})
        task_id = await rig.submit("leaker", folder=str(tmp_path))
        await rig.printed(task_id, b"half ", within=60)
        execution_id: str = (await rig.task(task_id))["execution"]
        secret, home = secret_of(execution_id), rig.home("desk-1")
        execution = home / "executions" / execution_id

        # when the daemon is killed within the secret, and the bot goes on and ends while nobody is there
        await rig.runners["desk-1"].kill()
        (tmp_path / "go").touch()
        await eventually(lambda: (exit_ := read_exit(execution, DISK)) is not None and exit_.final, within=60)
        await eventually(lambda: not bots_alive(execution_id))

        # then the secret stands in closed files of this execution only: the shim's for its daemon, the bot's own
        found = {name.removeprefix(f"executions/{execution_id}/") for name in hits(home, secret)}
        assert found <= OWN_FILES
        assert execution.stat().st_mode & 0o077 == 0
        assert (execution / "masks").stat().st_mode & 0o777 == 0o600

        # and what the next daemon tells of it is masked
        await rig.start_runner("desk-1")
        task: Any = await rig.finished(task_id, within=60)
        assert (task["outcome"], task["message"]) == ("failed", "no ***")
        assert task["outputs"] == {"name": "***"}
        assert task["summary"] == "# ***"
        assert [(one["level"], one["title"], one["text"]) for one in task["annotations"]] == [
            ("error", "***", "no ***")
        ]
        output = await rig.output(task_id)
        assert output.count(b"<***>\n") > 500
        assert b"half ***\n" in output
        # Order is exact within a stream only: stderr may be read before the last of stdout (core.md §3).
        assert b"could not log in with ***\n" in output
        assert not any(form in output for form in patterns_of([secret]))

        # and it is nowhere in what stays, neither here nor at the hub
        await eventually(lambda: not execution.exists(), within=30, saying="the runner keeps what the hub has")
        await rig.hub.end()
        assert hits(home, secret) == []
        assert hits(rig.data, secret) == []
        assert not any(look(PatternSet([secret]).automata(), log.read_bytes())[0] for log in tmp_path.glob("*.log"))
        # as the search itself would find it
        (tmp_path / "proof").mkdir()
        (tmp_path / "proof" / "packed").write_bytes(b"x" + zstd.compress(b"y" + secret.hex().encode()))
        assert hits(tmp_path / "proof", secret) == ["packed"]
