"""The bot of the item campaign and its ledger: what it did outside is written to files that none of our programs touch.

The ledger stands for the application: who pays twice is in it twice, whatever any journal says.
"""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

WORKER = """
import http.client, json, os, pathlib, time, urllib.parse, uuid
given = json.loads(pathlib.Path(os.environ["BOTYARD_PARAMETERS"]).read_text())
folder, execution = pathlib.Path(given["folder"]), os.environ["BOTYARD_EXECUTION_ID"]
queue, count, has_journal = given["queue"], int(given["count"]), given["journal"] == "yes"
pace_s = float(given["pace"])
gateway = urllib.parse.urlsplit(os.environ["BOTYARD_API_URL"])
line = None

def tell(file, **words):
    ledger = os.open(folder / file, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
    os.write(ledger, json.dumps({"execution": execution, "at": time.monotonic(), **words}).encode() + b"\\n")
    os.close(ledger)

def send(path, body, key):
    global line
    if line is None:
        line = http.client.HTTPConnection(gateway.hostname, gateway.port, timeout=60)
    token = os.environ["BOTYARD_API_TOKEN"]
    headers = {"Authorization": "Bearer " + token, "Content-Type": "application/json", "Idempotency-Key": key}
    try:
        line.request("POST", gateway.path + path, json.dumps(body).encode(), headers)
        answer = line.getresponse()
        return answer.status, json.loads(answer.read() or b"null")
    except (OSError, http.client.HTTPException, ValueError):
        line.close()
        line = None
        return 0, None

def call(path, body):
    # Under one key until it is answered, whoever dies meanwhile.
    key, until = uuid.uuid4().hex, time.monotonic() + 300
    while time.monotonic() < until:
        status, value = send(path, body, key)
        if status and status < 500:
            return status, value
        time.sleep(0.1)
    raise SystemExit("nobody answered " + path)

def must(status, value, *others):
    if status >= 300 and status not in others:
        raise SystemExit(f"{status} {value}")
    return status < 300

def is_paid(reference):
    known = folder / "paid"
    mark = ('"reference": "' + reference + '"').encode()
    return known.exists() and mark in known.read_bytes()

def pay(item, how):
    time.sleep(pace_s / 2)
    tell("paid", reference=item["reference"], fence=item["fence"], how=how)
    time.sleep(pace_s / 2)

def pay_once(item):
    path, lease = "/items/" + item["id"] + "/once/pay", {"fence": item["fence"]}
    status, told = call(path, lease)
    if not must(status, told, 409):
        return False
    if told["answer"] == "unknown":
        found = is_paid(item["reference"])
        tell("probed", reference=item["reference"], found=found)
        must(*call(path, {**lease, "outcome": "done" if found else "not_done"}), 409)
        status, told = call(path, lease)
        if not must(status, told, 409):
            return False
    if told["answer"] == "go":
        pay(item, "go")
        status, told = call(path, {**lease, "outcome": "done", "result": {"receipt": item["reference"]}})
        return must(status, told, 409)
    return True

def said(item):
    return {"item": item["id"], "fence": item["fence"], "outcome": "done"}

def noted(items):
    for item in items:
        tell("completed", reference=item["reference"], fence=item["fence"])

def one_by_one(items):
    for item in items:
        status, value = call("/items/" + item["id"] + "/complete", {"fence": item["fence"], "outcome": "done"})
        if must(status, value, 409):
            noted([item])
        else:
            tell("refused", reference=item["reference"], fence=item["fence"], why=str(value)[:300])

tell("started", pid=os.getpid(), cwd=os.getcwd())
done = []
while True:
    status, worked = call(f"/queues/{queue}/work", {"completed": [said(item) for item in done], "take": count})
    if must(status, worked, 409):
        noted(done)
        taken = worked["items"]
    else:
        one_by_one(done)
        taken = []
    if not taken:
        status, value = call(f"/queues/{queue}/take", {"count": count, "wait_s": 2})
        must(status, value)
        taken = value["items"]
    if not taken:
        break
    done = []
    for item in taken:
        if has_journal:
            if pay_once(item):
                done.append(item)
        else:
            pay(item, "plain")
            done.append(item)
"""
"""Takes items, pays each, says so; asks again under one key until it is answered, so that a crash repeats nothing."""


@dataclass(slots=True)
class Ledger:
    """The files of a folder to which the workers tell what they do, read on from where they were read before."""

    folder: Path
    _read: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    _lines: dict[str, list[dict[str, object]]] = field(default_factory=lambda: defaultdict(list))

    def lines(self, file: str) -> list[dict[str, object]]:
        """Every whole line of one file, in order."""
        path = self.folder / file
        if path.exists():
            with path.open("rb") as opened:
                opened.seek(self._read[file])
                fresh = opened.read()
            whole = fresh[: fresh.rfind(b"\n") + 1]
            self._read[file] += len(whole)
            self._lines[file] += [json.loads(line) for line in whole.splitlines()]
        return self._lines[file]

    def paid(self) -> Counter[str]:
        """How often each item was paid."""
        return Counter(str(one["reference"]) for one in self.lines("paid"))
