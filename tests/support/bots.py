"""Tiny bots for tests that run real processes: one file each, run by this very Python."""

import sys


def python_bot(body: str) -> dict[str, bytes]:
    """A build of one executable file named ``bot``; os, sys, time, json and urllib.request are imported."""
    head = f"#!{sys.executable} -u\nimport json, os, signal, sys, time, urllib.request\n"
    return {"bot": f"{head}{body}\n".encode()}


LINES = """
count, pause = int(os.environ["BOTYARD_PARAM_COUNT"]), float(os.environ["BOTYARD_PARAM_PAUSE"])
for number in range(count):
    print(f"line {number} of the bot that goes on and on")
    time.sleep(pause)
sys.exit(7)
"""
"""Prints `count` lines with a pause between them and exits with 7."""

STUBBORN = """
for name in ("SIGINT", "SIGTERM"):
    signal.signal(getattr(signal, name), signal.SIG_IGN)
print("ready")
time.sleep(600)
"""
"""Ignores what asks it politely."""

REPORT = """
call = urllib.request.Request(
    os.environ["BOTYARD_API_URL"] + "/result",
    json.dumps({"status": "partial", "message": "did " + os.environ["BOTYARD_API_TOKEN"]}).encode(),
    {"Authorization": "Bearer " + os.environ["BOTYARD_API_TOKEN"], "Content-Type": "application/json"},
    method="POST",
)
print("reporting", os.environ["BOTYARD_API_TOKEN"])
print(urllib.request.urlopen(call, timeout=30).status)
"""
"""Reports by our own small API, and prints its token, which must not be seen."""

CALL = """
import json, os, urllib.request

def call(path, body=None, method=None):
    request = urllib.request.Request(os.environ["BOTYARD_API_URL"] + path, method=method)
    request.add_header("Authorization", "Bearer " + os.environ["BOTYARD_API_TOKEN"])
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(request, data) as answer:
        return json.load(answer)
"""
"""How a bot without an SDK calls its gateway; put before the rest of it."""


def lines(count: int) -> bytes:
    """What the bot `LINES` prints."""
    return b"".join(b"line %d of the bot that goes on and on\n" % number for number in range(count))
