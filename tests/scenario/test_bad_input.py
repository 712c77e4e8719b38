"""Bad input, as a new user meets it: each gets one clear sentence, a remedy, a code, and leaves nothing half done.

Run with ``-s`` for the tables: situation and sentence.
"""

import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from tests.support import archives
from tests.support.certificates import Authority
from tests.support.free_ports import free_port
from tests.support.rig import Answer, Rig
from tests.support.scripted_runner import ScriptedRunner
from tests.support.small_disk import fill, small_disk
from tests.support.table import Sentences
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

SERVE = [sys.executable, "-m", "hub.cli", "hub", "serve"]
AGENT = [sys.executable, "-m", "agent"]


async def test_a_hub_that_cannot_start_says_why(tmp_path: Path) -> None:
    """Design §5, R19, R51: one line, 78 for what only a person can mend, 2 for options."""
    said, rig = Sentences(), Rig(tmp_path)
    (tmp_path / "a-file").write_text("x")
    authority = Authority(tmp_path / "ca")
    one, two = authority.issue("one"), authority.issue("two")
    pair = ("--tls-cert", str(one.cert), "--tls-key")

    async def serve(situation: str, options: tuple[str, ...], says: str, code: int = 78, data: str = "new") -> None:
        port = () if "--port" in options else ("--port", str(free_port()))
        command = [*SERVE, "--data", data if data.startswith("/") else str(tmp_path / data), *port, *options]
        said.add(situation, await rig.run(*command), code, says)

    async with rig:
        await serve("a second hub on the same folder", (), "another hub runs on .*data", data="data")
        await serve("a port in use", ("--port", str(rig.port)), "something listens at .* already.*--port")
        assert not (tmp_path / "new" / "hub.db").exists(), "a database was made for a hub that cannot serve"
    await serve("the data folder is a file", (), "a-file is a file where --data needs a folder", data="a-file")
    await serve("no rights on the folder", (), "no rights on /sys/botyard", data="/sys/botyard")
    await serve("an address of another machine", ("--host", "203.0.113.1", "--insecure"), "no address of this machine")
    await serve("plain http for all", ("--host", "0.0.0.0"), "send tokens in the clear.*--tls-cert.*--insecure", 2)
    await serve("a certificate without its key", ("--tls-cert", str(one.cert)), "belong together", 2)
    await serve("a key of another certificate", (*pair, str(two.key)), "is not the key of")
    await serve(
        "no certificate there", ("--tls-cert", "/none", "--tls-key", "/none"), "there is no certificate at /none"
    )
    await serve("a proxy that is no address", ("--trusted-proxy", "nonsense"), "'nonsense' is no address or network", 2)
    await serve("no such database engine", ("--database", "mysql://u:pass@h/d"), "no engine for mysql.*expected", 2)
    url = f"postgresql://ana:pass@127.0.0.1:{free_port()}/work"
    await serve(
        "a database that is not there", ("--database", url), "database work at 127.0.0.1.* is not reached.*is it"
    )
    _change(rig.data / "hub.db", "UPDATE alembic_version SET version_num = '9999'")
    await serve("a database of a newer Botyard", (), "schema 9999, made by a newer Botyard", data="data")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "hub.db").write_bytes(b"this is no database at all" * 200)
    await serve("a damaged database", (), "no SQLite database, or it is damaged: restore", data="broken")
    assert not any("pass" in row for row in said.rows), "a password was shown"
    assert not (tmp_path / "new" / "admin-token").exists() or not (tmp_path / "new" / "hub.db-wal").exists()
    said.check()


def _change(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()


async def test_a_runner_that_cannot_join_says_why(tmp_path: Path) -> None:
    """S1, S3, P2: tokens, homes, protocols."""
    said = Sentences()
    async with Rig(tmp_path) as rig, aiohttp.ClientSession() as client:

        async def enroll(situation: str, token: str, says: str, url: str = "", code: int = 78) -> Answer:
            file = tmp_path / "token"
            file.write_text(token)
            home = tmp_path / "homes" / situation.replace(" ", "-")
            answer = await rig.run(*AGENT, "enroll", url or rig.url, "--token", str(file), "--home", str(home))
            said.add(situation, answer, code, says) if says else None
            return answer

        good = (await rig.botyard("runner", "token", "--json")).json()["token"]
        assert (await enroll("the first", good, "")).code == 0
        await enroll("a token used twice", good, "used|another token|botyard runner token")
        await enroll("a wrong token", "byt_" + "a" * 52, "botyard runner token")
        old = (await rig.botyard("runner", "token", "--json")).json()["token"]
        await rig.hub.end()
        _change(rig.data / "hub.db", "UPDATE enrolment_tokens SET expires_at = '2020-01-01 00:00:00.000000'")
        await rig.start_hub()
        await enroll("an expired token", old, "expired|too old|botyard runner token")
        await enroll(
            "a key instead of a token", rig.env["BOTYARD_TOKEN"], "no enrolment token .they begin with byt_", code=2
        )
        await enroll("an empty token", "", "empty; botyard runner token", code=2)
        await enroll(
            "no hub there",
            good,
            "is not reached: nothing listens there .*port right",
            f"http://127.0.0.1:{free_port()}",
            75,
        )
        await enroll(
            "plain http to another machine", good, "plain text: use https, or --insecure", "http://hub.example"
        )
        await enroll("no address", good, "is no address of a hub: use https://", "ftp://hub")
        await enroll("https where http is spoken", good, "speaks no TLS", f"https://127.0.0.1:{rig.port}", 75)

        run = [*AGENT, "run", "--home"]
        said.add("a home that nobody enrolled", await rig.run(*run, str(tmp_path / "n")), 78, "no runner yet.*enroll")
        await rig.add_runner("vm1")
        twice = await rig.run(*run, str(rig.home("vm1")))
        said.add("a second daemon on the same home", twice, 75, "another botyard-agent runs in")
        line = [*AGENT, "enroll", rig.url, "--token", str(tmp_path / "token"), "--home", "/sys/botyard"]
        said.add("a home without rights", await rig.run(*line), 78, "/sys/botyard.*--home")
        (tmp_path / "home-file").write_text("x")
        no_folder = await rig.run(*run, str(tmp_path / "home-file"))
        said.add(
            "a home that is a file", no_folder, 2, "--home: .*is a file where a folder has to be: name another place"
        )

        scripted = ScriptedRunner(url=rig.url, client=client)
        token = (await rig.botyard("runner", "token", "--json")).json()["token"]
        await scripted.enrol(token, "other")
        for what, version in (("newer", 99), ("older", 0)):
            async with scripted.knock(protocol_min=version, protocol_max=version) as (_, answer):
                said.say(f"a runner of a{'n' if what == 'older' else ''} {what} protocol", answer.message, "update")  # type: ignore[union-attr]
    said.check()


async def test_a_package_that_cannot_be_taken_says_why(tmp_path: Path) -> None:
    """S24, contracts/bot-packages.md §2: by the command line, end to end; nothing of it is kept."""
    said = Sentences()
    async with Rig(tmp_path) as rig:

        async def deploy(situation: str, path: Path, says: str, *options: str, code: int = 2) -> None:
            answer = await rig.botyard("deploy", str(path), "--bot", "bad", *options, code=None, within=120)
            said.add(situation, answer, code, says)

        bad: list[tuple[str, Callable[[Path], None], str]] = [
            ("a zip with ..", archives.climbing, r"\.\./outside\.py"),
            ("a zip with a link", archives.linked, "secret.txt.* link"),
            ("a zip with overlapping entries", archives.overlapping, "shares its bytes with another entry"),
            ("a zip of 10,001 files", archives.crowded, "10001 entries are more than 10000"),
            ("a bomb", archives.bomb, "unpacks to more than|times|ratio"),
            ("half a zip", archives.torn, "zip"),
        ]
        for situation, make, says in bad:
            path = tmp_path / "bad.zip"
            make(path)
            await deploy(situation, path, says)
        none = rig.bot("none", {"notes.txt": "hello"})
        await deploy("a package of no kind", none, "kind|start|entry")
        (tmp_path / "empty").mkdir()
        await deploy("an empty folder", tmp_path / "empty", "no file|empty")
        await deploy("a path that is not there", tmp_path / "nowhere", "nowhere")
        missing = rig.bot("missing", {"main.py": "print()", "requirements.txt": "botyard-no-such-package-xyz==1.0\n"})
        await deploy("requirements that nobody has", missing, "botyard-no-such-package-xyz", code=1)
        typo = rig.bot("typo", {"main.py": "print()", "requirements.txt": "requests=>2\n"})
        await deploy("a requirement mistyped", typo, "requests=>2|requirements.txt", code=1)
        bots = (await rig.get("/api/v1/bots"))["items"]
        assert [bot["name"] for bot in bots if bot["released_build"]] == [], "something was released"
    said.check()


async def test_a_task_that_cannot_be_run_says_why(tmp_path: Path) -> None:
    """All faults at once; a bot that can't be started is `failed: environment` with the reason (core.md §4)."""
    said = Sentences()
    async with Rig(tmp_path) as rig:
        await rig.add_runner("vm1")
        await rig.deploy(
            "ghost", {"run.sh": "#!/no/such/interpreter\necho hi\n"}, "--kind", "executable", "--entry", "run.sh"
        )
        for label in ("nothing", "a/b?c#d%e", "nothing "):
            answer = await rig.botyard("run", label, code=None)
            said.add(f"run {label!r}", answer, 1, "no automation|There is no|botyard automation list")
        wrong = await rig.botyard("run", "ghost", "-p", "no-equals-sign", code=None)
        said.add("a parameter without =", wrong, 2, "key=value|KEY=VALUE|name=value")
        task = await rig.finished(await rig.submit("ghost"))
        assert (task["outcome"], task["reason"]) == ("failed", "environment")
        said.say("a bot that can't be started", task["message"] or "", "run.sh|interpreter|No such file")
    said.check()


async def test_a_full_disk_says_so_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    """R27: nothing that was told as done is lost, nothing half done is left, no restart is needed at the runner."""
    said = Sentences()
    with small_disk(tmp_path / "small", "12m") as disk:
        # a hub that has no room to begin
        filler = fill(disk)
        rig = Rig(tmp_path)
        full = await rig.run(*SERVE, "--data", str(disk / "hub"), "--port", str(free_port()))
        said.add("a full disk at the hub's start", full, 78, "the disk of .* is full: free some space")
        # a runner that has none
        async with rig:
            token = (await rig.botyard("runner", "token", "--json")).json()["token"]
            (tmp_path / "t").write_text(token)
            enroll = [*AGENT, "enroll", rig.url, "--token", str(tmp_path / "t"), "--home", str(disk / "home")]
            said.add("a full disk at enrolment", await rig.run(*enroll), 75, "disk .*full|No space left")
            filler.unlink()
            again = await rig.run(*enroll, "--again")
            assert again.code == 0, again.err
    said.check()


async def test_a_hub_whose_disk_fills_refuses_and_comes_back(tmp_path: Path) -> None:
    """R27: SQLITE_FULL fails the requests of its group with 503 and a sentence; afterwards the same hub works on."""
    said = Sentences()
    with small_disk(tmp_path / "small", "16m") as disk:
        (tmp_path / "data").symlink_to(disk / "data")
        (disk / "data").mkdir(mode=0o700)
        async with Rig(tmp_path) as rig:
            await rig.send("POST", "/api/v1/queues", {"label": "big"})
            filler = fill(disk)

            async def is_full() -> bool:
                # Until it is refused: what the write-ahead log has of the disk already is written first.
                try:
                    await rig.send("POST", "/api/v1/queues/big/items", {"payload": {"text": "x" * 200_000}})
                except AssertionError as refused:
                    if " 503 " not in str(refused):
                        raise
                    return True
                return False

            while not await is_full():
                pass
            made = await rig.botyard("key", "create", "x", code=None)
            said.add("a full disk under a running hub", made, 1, "full|room|space")
            assert rig.hub.alive
            filler.unlink()

            async def works() -> bool:
                return (await rig.botyard("key", "create", "y", code=None)).code == 0

            await eventually(works, within=30)
    said.check()
