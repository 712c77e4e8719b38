"""`botyard queue` and `botyard item`: made, filled from files, looked at, ordered about; bad input in one line."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hub.cli.client import Client
from hub.cli.failing import Exit, Unreached
from tests.support.api_hub import ApiWorld
from tests.support.typed import Typed


@pytest.fixture
async def queue(world: ApiWorld, typed: Typed) -> str:
    """A queue whose items are numbered."""
    await typed("queue", "create", "invoices", "-f", "number!", "-f", "amount:number", "--unique", "number")
    return "invoices"


async def test_a_queue_is_made_changed_paused_and_shown(typed: Typed, queue: str) -> None:
    """What is named changes, all else stays; 0 and an empty text take away."""
    await typed(
        "queue", "edit", queue, "--concurrency", "4", "--attempts", "5", "--backoff", "1..9", "--stop-after", "3"
    )
    wait = "5, each after a random wait of at most 1 s, doubled up to 9 s"
    assert wait in (await typed("queue", "show", queue)).text
    found = json.loads((await typed("queue", "edit", queue, "--concurrency", "0", "--json")).out)
    assert (found["concurrency"], found["stop_after"]) == (None, 3)
    assert found["retry"] == {"attempts": 5, "base_s": 1, "cap_s": 9}
    assert "paused by" in (await typed("queue", "pause", queue)).text
    assert "SAP" not in (await typed("queue", "resume", queue)).text
    assert "invoices" in (await typed("queue", "list")).text
    assert "removed" in (await typed("queue", "delete", queue, "--yes")).text


async def test_an_item_is_found_by_its_reference(typed: Typed, queue: str) -> None:
    """What happened to invoice 4711."""
    await typed("item", "add", queue, "number=4711", "amount:=12.5", "--reference", "4711", "--tag", "march")
    text = (await typed("item", "show", "invoices/4711")).text
    assert '{"amount": 12.5, "number": "4711"}' in text
    assert "pending" in text
    assert "canceled" in (await typed("item", "cancel", "invoices/4711", "--message", "paid by hand")).text
    assert "paid by hand" in (await typed("item", "list", queue, "--tag", "march")).text
    assert "1 changed" in (await typed("item", "requeue", queue, "--state", "canceled")).text


@pytest.mark.parametrize("what", ["requeue", "cancel"])
async def test_a_filter_goes_with_a_queue(typed: Typed, queue: str, what: str) -> None:
    """With one item it would say nothing: it is refused, and the item stays."""
    await typed("item", "add", queue, "number=1", "--reference", "1")
    refused = await typed("item", what, "invoices/1", "--state", "failed")
    assert refused.code == 2
    assert "is one item" in refused.err
    assert "pending" in (await typed("item", "list", queue)).text


async def test_a_file_is_imported_whole(typed: Typed, queue: str, tmp_path: Path) -> None:
    """CSV by the types that the queue declares, JSON lines as they are, in the order of the file."""
    table = tmp_path / "march.csv"
    table.write_text("number,amount\n1,2.5\n2,\n")
    assert "2 items added" in (await typed("item", "import", queue, str(table), "--reference", "number")).text
    lines = tmp_path / "more.jsonl"
    lines.write_text('{"number": "3"}\n\n{"payload": {"number": "4"}, "priority": 9}\n')
    assert "2 items added" in (await typed("item", "import", queue, str(lines))).text
    found = json.loads((await typed("item", "list", queue, "--json")).out)["items"]
    payloads = {one["payload"]["number"]: (one["payload"].get("amount"), one["priority"]) for one in found}
    assert payloads == {"1": (2.5, 5), "2": (None, 5), "3": (None, 5), "4": (None, 9)}


async def test_a_broken_file_adds_nothing_and_names_the_lines(typed: Typed, queue: str, tmp_path: Path) -> None:
    """Broken lines are told before anything is sent, and lines that the queue refuses by their number too."""
    table = tmp_path / "bad.csv"
    table.write_text("number,amount\n1,2.5\n2\n3,4,5\n")
    answer = await typed("item", "import", queue, str(table))
    assert answer.code == 1
    assert "line 3: 1 cells" in answer.err
    assert "line 4: 3 cells" in answer.err
    table.write_text("number,amount\n1,2.5\n2,much\n1,3\n")
    answer = await typed("item", "import", queue, str(table))
    assert "line 3: payload.amount" in answer.err
    assert "line 4: reference: the same as line 2" in answer.err
    assert "none" in (await typed("item", "list", queue)).text
    answer = await typed("item", "import", queue, str(table), "--each")
    assert "1 item added, 2 not" in answer.text
    assert answer.code == 3


async def test_each_line_stands_for_itself(
    typed: Typed, queue: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A member that is none refuses its own line only; gaps between lines cost no call; all that is refused counts."""
    calls: list[str] = []
    post = Client.post

    def counted(client: Client, path: str, body: Mapping[str, Any] | None = None) -> Any:
        calls.append(path)
        return post(client, path, body)

    monkeypatch.setattr(Client, "post", counted)
    lines = [f'{{"number": "{number}", "amount": "much"}}' for number in range(150)]
    lines[1::2] = ["broken"] * 75
    lines += ['{"payload": {"number": "a"}, "priority": 99}', '{"payload": {"number": "b"}, "priority": 9}', "7"]
    file = tmp_path / "lines.jsonl"
    file.write_text("\n".join(lines))
    answer = await typed("item", "import", queue, str(file), "--each", "--json")
    told = answer.json()
    assert (answer.code, told["added"], told["refused_count"]) == (3, 1, 75 + 75 + 1 + 1)
    assert "line 151: priority: is out of range (it must be at most 10)" in told["refused"]
    assert "line 3: payload.amount: is not a number (give a number)" in told["refused"]
    assert len([path for path in calls if path.endswith("/items")]) == 1
    file.write_text("broken\n")
    answer = await typed("item", "import", queue, str(file), "--each")
    assert (answer.code, answer.text) == (1, "0 items added, 1 not\n")


async def test_a_tsv_file_is_parted_by_tabulators(typed: Typed, queue: str, tmp_path: Path) -> None:
    """By its name; a name in the head that is there twice or not at all is told before anything is sent."""
    table = tmp_path / "march.tsv"
    table.write_text("number\tamount\n1\t2.5\n")
    assert "1 item added" in (await typed("item", "import", queue, str(table), "--reference", "number")).text
    table.write_text("number\tnumber\t\n1\t2.5\t\n")
    answer = await typed("item", "import", queue, str(table))
    assert answer.code == 2
    assert "'number' stands there 2 times" in answer.err
    assert "column 3 has no name" in answer.err
    answer = await typed("item", "import", queue, str(table), "--delimiter", "ab")
    assert "one character" in answer.err


async def test_a_large_file_is_whole_or_not_there(typed: Typed, queue: str, tmp_path: Path) -> None:
    """Several slices; a line that the queue refuses in the last one takes all of it back, with its number."""
    table = tmp_path / "large.csv"
    rows = "".join(f"{number},1\n" for number in range(4500))
    table.write_text("number,amount\n" + rows + "4499,1\n")
    answer = await typed("item", "import", queue, str(table))
    assert answer.code == 1
    assert "1 line of" in answer.err
    assert "line 4502: reference" in answer.err
    assert "none" in (await typed("item", "list", queue)).text
    table.write_text("number,amount\n" + rows)
    assert "4500 items added" in (await typed("item", "import", queue, str(table))).text


async def test_an_import_that_was_cut_off_is_told_and_dropped(
    typed: Typed, queue: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub was lost before the last call: nothing can be taken back, and whoever comes again is told how."""
    post, delete = Client.post, Client.delete

    def lost_at_the_end(client: Client, path: str, body: Mapping[str, Any] | None = None) -> Any:
        if path.endswith("/show"):
            raise Unreached(client.url, "it was cut off")
        return post(client, path, body)

    def lost(client: Client, path: str) -> Any:
        raise Unreached(client.url, "it was cut off")

    table = tmp_path / "march.csv"
    table.write_text("number\n1\n2\n")
    monkeypatch.setattr(Client, "post", lost_at_the_end)
    monkeypatch.setattr(Client, "delete", lost)
    answer = await typed("item", "import", queue, str(table), "--reference", "number")
    batch = answer.err.rpartition("--drop ")[2].split()[0]
    assert (answer.code, batch[:4]) == (Exit.UNREACHED, "bat_")
    monkeypatch.setattr(Client, "delete", delete)
    answer = await typed("item", "import", queue, str(table), "--reference", "number")
    assert f"--drop {batch}" in answer.err
    monkeypatch.setattr(Client, "post", post)
    for _ in range(2):  # the second time that batch is gone, and the items are there
        answer = await typed("item", "import", queue, str(table), "--reference", "number", "--drop", batch)
    assert "is there already as itm_" in answer.err
    assert (await typed("item", "list", queue)).text.count("pending") == 2


async def test_what_was_given_up_is_listed_with_why(typed: Typed, world: ApiWorld, queue: str) -> None:
    """By cause and one by one; of one queue, or of all."""
    await typed("item", "add", queue, "number=1", "--reference", "1")
    _, taken = await world.call("POST", f"/queues/{queue}/take", json={})
    item = taken["items"][0]
    said = {"fence": item["fence"], "outcome": "failed", "error_class": "business", "message": "no such customer"}
    await world.call("POST", f"/items/{item['id']}/complete", json=said)
    for words in ((queue,), ("--all",)):
        text = (await typed("queue", "dead", *words)).text
        assert "business" in text
        assert "no such customer" in text
    assert (await typed("queue", "dead", queue, "--json")).json()["causes"][0]["count"] == 1
    assert (await typed("queue", "dead")).code == 2


async def test_files_go_with_an_item(typed: Typed, queue: str, tmp_path: Path) -> None:
    """Added with it or later, listed, and brought back as they were."""
    scan, letter = tmp_path / "scan.pdf", tmp_path / "letter.txt"
    scan.write_bytes(b"%PDF" * 1000)
    letter.write_text("Dear all")
    await typed("item", "add", queue, "number=1", "--reference", "1", "--file", str(scan))
    assert "letter.txt: 8 B" in (await typed("item", "attach", "invoices/1", str(letter))).text
    assert "letter.txt" in (await typed("item", "files", "invoices/1")).text
    assert "letter.txt  scan.pdf" in (await typed("item", "show", "invoices/1")).text
    out = tmp_path / "out"
    answer = await typed("item", "download", "invoices/1", "*.pdf", "--to", str(out))
    assert "1 file in" in answer.err
    assert (out / "scan.pdf").read_bytes() == scan.read_bytes()
    answer = await typed("item", "download", "invoices/1", "none", "--to", str(out))
    assert "no file 'none'" in answer.err
    answer = await typed("item", "attach", "invoices/1", str(tmp_path / "gone"))
    assert (answer.code, "No such file" in answer.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("item", "add", "invoices", "number"), "is no name=text"),
        (("item", "add", "invoices", "number=1", "--payload", "{}"), "--payload"),
        (("item", "add", "invoices", "amount:=x"), "amount is no JSON"),
        (("item", "cancel", "invoices"), "name a filter"),
        (("item", "show", "invoices/none"), "There is no item 'none' in invoices. botyard item list"),
        (("item", "import", "invoices", "/no/such/file.csv"), "No such file"),
        (("queue", "edit", "invoices"), "nothing to change"),
        (("queue", "edit", "invoices", "--backoff", "soon"), "BASE..CAP"),
        (("queue", "create", "invoices"), "already"),
        (("queue", "create", "other", "-f", "amount:float"), "-f amount:float: 'float' is no type"),
        (("queue", "delete", "invoices"), "say --yes"),
        (("queue", "create", "other", "--success-queue", "nowhere"), "nowhere"),
        (("queue", "show", "nowhere"), "no queue"),
    ],
)
async def test_bad_input_is_one_line(typed: Typed, queue: str, words: tuple[str, ...], told: str) -> None:
    """And no half-done change."""
    answer = await typed(*words)
    assert answer.code in {1, 2}
    assert told in answer.err
    assert "Traceback" not in answer.err
