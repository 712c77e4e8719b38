"""Bots that witness for themselves: what they did is written to files of their own, which none of our programs touch.

Every bot appends `started` with its pids before anything else and `ended` with length and sha256 of all that it wrote
as its last act. The text is known beforehand, so that a bot which is killed needs no last word: `first(n)` tells of the
first n bytes that it must have written.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

WIDTH = 48
"""Bytes of a line, with its newline."""
_BLOCK_LINES = 10_000

_WITNESS = """
import hashlib, json, os, pathlib, sys, time
given = json.loads(pathlib.Path(os.environ["BOTYARD_PARAMETERS"]).read_text())
execution, folder = os.environ["BOTYARD_EXECUTION_ID"], pathlib.Path(given["folder"])
def tell(file, **words):
    known = {"execution": execution, "task": os.environ["BOTYARD_TASK_ID"], "at": time.monotonic(), **words}
    ledger = os.open(folder / file, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
    os.write(ledger, json.dumps(known).encode() + b"\\n")
    os.close(ledger)
tell("started", pid=os.getpid(), shim=os.getppid())
def line(number):
    return b"%-47d\\n" % (number * 7919)
"""

PRINTER = (
    _WITNESS
    + """
lines, rate, text = int(given["lines"]), float(given["rate"]), hashlib.sha256()
ahead = os.open(folder / f"{execution}.ahead", os.O_CREAT | os.O_WRONLY, 0o600)
if given.get("children"):
    for _ in range(2):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                for number in range(3):
                    os.close(number)
                time.sleep(3600)
            os._exit(0)
began, done = time.monotonic(), 0
while done < lines:
    block = b"".join(map(line, range(done, min(done + 200, lines))))
    done += len(block) // 48
    os.pwrite(ahead, b"%020d" % (done * 48), 0)
    text.update(block)
    while block:
        block = block[os.write(1, block):]
    early = began + done / rate - time.monotonic()
    if early > 0 and not (folder / "enough").exists():
        time.sleep(early)
code = int(given["code"])
tell("ended", bytes=done * 48, sha256=text.hexdigest(), code=code)
os._exit(code)
"""
)
"""Prints numbered lines, `rate` a second until there is a file `enough`, then as fast as it can; ends with `code`."""

SMALL = (
    _WITNESS
    + """
text = b"".join(map(line, range(20)))
os.write(1, text)
code = int(given["code"])
tell("ended", bytes=len(text), sha256=hashlib.sha256(text).hexdigest(), code=code)
os._exit(code)
"""
)
"""Twenty lines and an end."""


@lru_cache(maxsize=128)
def _block(number: int) -> bytes:
    lines = range(number * _BLOCK_LINES, (number + 1) * _BLOCK_LINES)
    return b"".join(b"%-47d\n" % (line * 7919) for line in lines)


def first(length: int) -> str:
    """The sha256 of the first `length` bytes that a bot writes."""
    text = hashlib.sha256()
    block_bytes = _BLOCK_LINES * WIDTH
    for number in range(length // block_bytes):
        text.update(_block(number))
    text.update(_block(length // block_bytes)[: length % block_bytes])
    return text.hexdigest()


@dataclass(frozen=True, slots=True)
class Witness:
    """The folder to which the bots of a campaign tell what they do."""

    folder: Path

    def started(self) -> list[dict[str, Any]]:
        """Every start, in order."""
        return self._told("started")

    def ended(self) -> dict[str, dict[str, Any]]:
        """The end of each execution that had one."""
        return {one["execution"]: one for one in self._told("ended")}

    def ahead(self, execution: str) -> int:
        """How many bytes it was about to have written when it wrote last: no more than that can be stored."""
        file = self.folder / f"{execution}.ahead"
        return int(file.read_bytes() or b"0") if file.exists() else 0

    def enough(self) -> None:
        """Let printers print the rest at full speed."""
        (self.folder / "enough").touch()

    def again(self) -> None:
        """Let the next printers keep their pace."""
        (self.folder / "enough").unlink(missing_ok=True)

    def _told(self, file: str) -> list[dict[str, Any]]:
        path = self.folder / file
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
