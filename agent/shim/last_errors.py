"""The end of what a bot wrote to stderr: most often the one line that says why it failed."""

import re

LAST_ERRORS_BYTES = 2048
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])")
_UNSEEN = re.compile(r"[^\S\n\t ]|[\x00-\x08\x0e-\x1f\x7f]")


class LastErrors:
    """Keeps the last 2 KiB of masked bytes."""

    def __init__(self) -> None:
        self._kept = b""
        self._is_cut = False

    def take(self, data: bytes) -> None:
        """Something was written."""
        self._is_cut = self._is_cut or len(self._kept) + len(data) > LAST_ERRORS_BYTES
        self._kept = (self._kept + data[-LAST_ERRORS_BYTES:])[-LAST_ERRORS_BYTES:]

    def text(self) -> str:
        """Whole lines, but for one that is longer than all that is kept; without colours and control characters."""
        kept = self._kept.rstrip()
        if self._is_cut:
            _, newline, rest = kept.partition(b"\n")
            kept = rest if newline else kept
        seen = _ESCAPES.sub("", kept.decode("utf-8", "replace").replace("\r\n", "\n"))
        return _UNSEEN.sub("", seen).strip()
