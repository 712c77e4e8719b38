"""A hub has room for its runners' connections, whatever shell or service started it."""

import subprocess
import sys

import pytest

from hub.descriptors import WANTED

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit")
_LOOK = """
import resource
from hub.descriptors import make_room
kind = resource.RLIMIT_NOFILE
resource.setrlimit(kind, ({soft}, {hard}))
make_room()
print(*resource.getrlimit(kind))
"""


@pytest.mark.parametrize(("soft", "hard", "then"), [(256, 1000, 1000), (700, 700, 700)])
def test_the_soft_limit_is_no_limit(soft: int, hard: int, then: int) -> None:
    """R49: 10,000 runners want as many descriptors; a login shell's or a service's usual soft limit is 1024."""
    assert hard < WANTED
    run = [sys.executable, "-c", _LOOK.format(soft=soft, hard=hard)]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(then), str(hard)]
