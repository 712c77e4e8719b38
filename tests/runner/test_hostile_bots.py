"""Bots that do what no bot should: their own end is true, nothing outside their folder is read, the daemon lives."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from agent.wire.facts import FinalFact
from agent.wire.messages import Start
from agent.wire.words import ExitKind, GapReason
from tests.runner.conftest import Ready
from tests.support.heard import Heard
from tests.support.runner import RunnerProcess
from tests.support.scripted_hub import ScriptedHub
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

FOLDER = "folder = os.path.dirname(os.environ['BOTYARD_ARTIFACTS'])\n"


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def lives(runner: RunnerProcess) -> AsyncIterator[None]:
    """Whatever one bot does must not cost the others their daemon."""
    yield
    assert runner.process is not None
    is_alive = runner.process.poll() is None
    if not is_alive:
        runner.start()
    assert is_alive, "the bot ended the daemon"


async def ended(hub: ScriptedHub, ready: Ready, body: str) -> tuple[Start, Heard]:
    """Run a bot to its final fact, and let it be forgotten."""
    order = await hub.start(await ready(body))
    heard = hub.heard[order.execution_id]
    await eventually(lambda: "final" in heard.kinds(), within=20, saying=f"never final: {heard.kinds()}")
    # Nobody waits for bytes that cannot come (§3).
    await eventually(lambda: len(heard.output) >= heard.body("final").output_bytes, within=10)
    await hub.forget(order)
    return order, heard


async def test_a_pipe_in_place_of_the_result(hub: ScriptedHub, ready: Ready) -> None:
    """S38, `core.md` §4: what is no regular file is no report; the execution ends all the same."""
    _, heard = await ended(hub, ready, "os.mkfifo(os.environ['BOTYARD_RESULT'])")
    assert heard.kinds() == ["started", "said", "exit", "final"]
    assert "not a regular file" in heard.body("said").annotations[0].text


async def test_a_link_in_place_of_the_result(hub: ScriptedHub, ready: Ready, tmp_path: Path) -> None:
    """S38: a result is not read through a link that leaves the folder."""
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"status": "partial", "message": "a stranger's file"}))
    _, heard = await ended(hub, ready, f"os.symlink({str(other)!r}, os.environ['BOTYARD_RESULT'])")
    assert heard.kinds() == ["started", "said", "exit", "final"]
    assert "stranger" not in heard.body("said").model_dump_json()


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        '{"a":' * 100_000,
        "\\xff\\xfe",
        '{"status": "failed", "message": 7}',
        '{"status": "failed", "totals": {"total": 1e400}}',
    ],
    ids=["deep", "deep objects", "binary", "wrong type", "infinite"],
)
async def test_a_result_that_is_no_report(hub: ScriptedHub, ready: Ready, text: str) -> None:
    """G5: a broken result file is no report and ends nobody; people are told which file it was."""
    _, heard = await ended(hub, ready, f"open(os.environ['BOTYARD_RESULT'], 'wb').write({text!r}.encode('latin-1'))")
    assert heard.kinds() == ["started", "said", "exit", "final"]
    (annotation,) = heard.body("said").annotations
    assert annotation.title == "BOTYARD_RESULT"


@pytest.mark.parametrize(
    "result",
    [
        '{"status": "partial", "message": "a\\\\u0000b"}',
        '{"status": "partial", "message": "a\\\\ud800b"}',
        '{"status": "partial", "totals": {"total": 1%s, "processed": 1, "failed": 0}}' % ("0" * 40),
    ],
    ids=["nul", "half a pair", "huge"],
)
async def test_a_report_with_odd_values(hub: ScriptedHub, ready: Ready, result: str) -> None:
    """§4: the report counts; what no hub could store is not in it."""
    _, heard = await ended(hub, ready, f"open(os.environ['BOTYARD_RESULT'], 'w').write('{result}')")
    assert heard.kinds() == ["started", "report", "exit", "final"]
    report = heard.body("report")
    assert "\0" not in (report.message or "")
    assert report.totals is None or report.totals.total < 2**63


async def test_a_link_in_place_of_the_artifacts(hub: ScriptedHub, ready: Ready, tmp_path: Path) -> None:
    """S38: artifacts are collected without following links out of the folder."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("not the bot's")
    body = f"a = os.environ['BOTYARD_ARTIFACTS']\nos.rmdir(a)\nos.symlink({str(outside)!r}, a)"
    _, heard = await ended(hub, ready, body)
    assert heard.kinds() == ["started", "exit", "final"]


async def test_odd_entries_among_the_artifacts(hub: ScriptedHub, ready: Ready) -> None:
    """G5: what is left out is named; what can be read is delivered."""
    body = """
os.chdir(os.environ['BOTYARD_ARTIFACTS'])
open('good.txt', 'w').write('good')
open(b'odd\\xff\\n.txt', 'w').write('odd')
os.mkfifo('pipe')
os.symlink('/etc/passwd', 'link')
os.mkdir('empty')
deep = '.'
for _ in range(40):
    deep += '/' + 'd' * 60
    os.mkdir(deep)
open(deep + '/x' , 'w').write('deep')
"""
    _, heard = await ended(hub, ready, body)
    final: FinalFact = heard.body("final")
    names = [fact.body.name for fact in heard.facts.values() if fact.body.kind == "artifact"]
    assert "good.txt" in names
    assert not {"pipe", "link"} & set(names)
    assert {text.partition(":")[0] for text in final.left_out} >= {"pipe", "link"}


async def test_a_bot_that_removes_its_own_folder_at_once(hub: ScriptedHub, ready: Ready) -> None:
    """C6, R27: its end is known all the same; what was lost of its output is told to the byte, with the reason."""
    body = FOLDER + "import shutil\nshutil.rmtree(folder, ignore_errors=True)\nprint('gone')\nsys.exit(3)"
    _, heard = await ended(hub, ready, body)
    assert heard.kinds() == ["started", "said", "exit", "final"]
    assert (ExitKind.NORMAL, 3) == (heard.body("exit").how, heard.body("exit").code)
    assert [(0, len("gone\n"), GapReason.DISK)] == [
        (gap.start, gap.bytes, gap.reason) for gap in heard.body("final").gaps
    ]
    assert "may be damaged" in heard.body("said").annotations[0].text


async def test_a_bot_that_removes_its_own_folder_and_goes_on(hub: ScriptedHub, ready: Ready) -> None:
    """As above, with output that needs new segments and a second daemon's look."""
    body = (
        FOLDER
        + "import shutil\nshutil.rmtree(folder, ignore_errors=True)\n"
        + "for _ in range(40):\n    os.write(1, b'x' * (1 << 20))\n    time.sleep(0.02)\nsys.exit(3)"
    )
    _, heard = await ended(hub, ready, body)
    assert heard.body("exit").how in {ExitKind.NORMAL, ExitKind.SUPERVISOR_LOST}


@pytest.mark.parametrize("name", ["verdict", "exit", "output", "socket", "order.json"])
async def test_a_bot_that_replaces_what_is_not_its_own(hub: ScriptedHub, ready: Ready, name: str) -> None:
    """Same-user mode: a bot can forge its own files; it harms itself only."""
    body = (
        FOLDER
        + f"""
print('before', flush=True)
path = os.path.join(folder, {name!r})
os.path.lexists(path) and os.rename(path, path + '.old')
os.mkdir(path)
open(path + '/7.seg', 'w').write('junk')
os.mkdir(path + '/8.seg')
print('after', flush=True)
time.sleep(0.5)
"""
    )
    _, heard = await ended(hub, ready, body)
    assert heard.kinds() == ["started", "exit", "final"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("os.close(1); os.close(2); time.sleep(0.5); os._exit(5)", 5),
        ("os._exit(0)", 0),
        ("os.write(1, b'y' * 10_000_000); os._exit(4)", 4),
        ("sys.stdout.write('z\\n' * 300_000); sys.exit(6)", 6),
    ],
    ids=["closes its pipes", "instantly", "one line of 10 MB", "many lines"],
)
async def test_odd_output(hub: ScriptedHub, ready: Ready, body: str, code: int) -> None:
    """§3: complete = EOF on every stream, no gap, sha equal."""
    order = await hub.start(await ready(body))
    heard = hub.heard[order.execution_id]
    await eventually(lambda: "final" in heard.kinds(), within=20)
    final = heard.body("final")
    await eventually(lambda: len(heard.output) == final.output_bytes, within=20)
    assert heard.body("exit").code == code
    assert final.output_sha256 == heard.sha256()
    assert not final.gaps
    await hub.forget(order)


async def test_garbage_for_the_gateway_and_a_thousand_reports(hub: ScriptedHub, ready: Ready) -> None:
    """§6, G8: what is no request is refused; reports end at their number with 429, and the last one counts."""
    body = """
import collections, http.client, socket
from urllib.parse import urlsplit
place, token = urlsplit(os.environ['BOTYARD_API_URL']), os.environ['BOTYARD_API_TOKEN']
short = b'POST /x HTTP/1.1\\r\\nContent-Length: 99\\r\\n\\r\\nshort'
for junk in (b'\\x00' * 9000, b'GET / HTTP/9.9\\r\\n\\r\\n', short, b''):
    with socket.create_connection((place.hostname, place.port)) as raw:
        raw.sendall(junk)
seen = collections.Counter()
link = http.client.HTTPConnection(place.hostname, place.port, timeout=30)
head = {'Authorization': 'Bearer ' + token, 'Content-Type': 'application/json'}
good = ['{"status": "partial", "message": "%d"}' % n for n in range(1010)]
for text in ['[' * 300000, '{"status": 7}', 'no', ''] + good:
    link.request('POST', place.path + '/result', text, head)
    answer = link.getresponse()
    answer.read()
    seen[answer.status] += 1
print(json.dumps(seen))
"""
    order = await hub.start(await ready(body))
    heard = hub.heard[order.execution_id]
    await eventually(lambda: "final" in heard.kinds(), within=60)
    await eventually(lambda: len(heard.output) == heard.body("final").output_bytes, within=10)
    seen = json.loads(heard.output)
    assert heard.body("exit").code == 0
    assert seen["429"] == 10
    assert heard.kinds().count("report") == 1000
    assert "500" not in seen, seen
    await hub.forget(order)
