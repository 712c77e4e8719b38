"""What a zygote loads, each shim carries (core.md §2)."""

import subprocess
import sys

import pytest

HEAVY = frozenset({"asyncio", "pydantic", "aiohttp", "websockets", "psutil", "subprocess", "http", "ssl", "logging"})
NEEDED = frozenset({"ctypes", "hashlib", "ahocorasick_rs", "agent.masking", "agent.shim.supervisor"})


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is forked on Windows")
def test_the_zygote_is_small_and_has_what_shims_need() -> None:
    """No event loop, no models, no web; but everything that a shim would else load after its fork."""
    script = "import sys, agent.shim.zygote_process; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert loaded & HEAVY == set()
    assert loaded >= NEEDED
