"""Long work that says nothing for a while says that it is at it, and what it said last."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EVERY_S = 30.0


@contextmanager
def told(name: str, say: Callable[[str], None], every_s: float = EVERY_S) -> Iterator[Callable[[str], None]]:
    """Give what a part says its words with; after `every_s` seconds without one, another thread says how long it is."""
    began, over, heard = time.monotonic(), threading.Event(), threading.Event()
    last = ["begun"]

    def tell(line: str) -> None:
        last[0] = line
        heard.set()
        say(line)

    def watch() -> None:
        while not over.wait(every_s):
            if not heard.is_set():
                say(f"{name}: at it for {time.monotonic() - began:.0f} s; last: {last[0]}")
            heard.clear()

    thread = threading.Thread(target=watch, name="alive", daemon=True)
    thread.start()
    try:
        yield tell
    finally:
        over.set()
        thread.join()
