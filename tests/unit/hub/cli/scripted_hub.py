"""A hub that answers as it was told, over real HTTP: what a real one does only when it is killed at a bad moment."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[["Handler"], None]


@dataclass
class Script:
    """What is answered, one entry a request, and what was asked."""

    answers: list[Answer]
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    """Answers with the next entry of the script."""

    script: Script
    protocol_version = "HTTP/1.1"

    def handle_one_request(self) -> None:
        """One request of a connection, whatever its method."""
        self.raw_requestline = self.rfile.readline(65537)
        understood = bool(self.raw_requestline) and self.parse_request()
        self.close_connection = True
        if not understood:
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.script.requests.append((self.command, self.path, dict(self.headers.items()), body))
        self.script.answers.pop(0)(self)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the standard library's name
        """Say nothing."""


@contextmanager
def scripted_hub(*answers: Answer) -> Iterator[Script]:
    """Serve the answers, one a request."""
    script = Script(list(answers))
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Scripted", (Handler,), {"script": script}))
    server.daemon_threads = False
    script.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def says(status: int, body: Any, media: str = "application/json") -> Answer:
    """A whole answer."""

    def answer(handler: Handler) -> None:
        raw = json.dumps(body).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", media)
        handler.send_header("Content-Length", str(len(raw)))
        handler.end_headers()
        handler.wfile.write(raw)

    return answer


def hangs_up(handler: Handler) -> None:
    """The connection ends before any answer."""
    handler.close_connection = True


def streams(*pieces: bytes, whole: bool = True) -> Answer:
    """Server-sent events in chunks; not `whole`: cut off behind the last one."""

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for piece in pieces:
            handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        if whole:
            handler.wfile.write(b"0\r\n\r\n")

    return answer
