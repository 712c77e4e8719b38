"""The daemon's side of zygote and idle shims (core.md §2); one implementation a platform behind the same names.

    zygote = await Zygote.start(slots=4)            one idle shim per slot is made ahead
    zygote.ready                                    idle shims that can be taken now; none: give no credit (D2)
    shim = await zygote.take() -> IdleShim          at once where one is ready; raises ZygoteGone
    running = shim.hand_over(order, descriptors)    -> RunningShim(pid, start, pidfd); raises ShimGone
    verdict = await running.verdict(desk)           D1 whole: the shim's answer, or after its death or 30 s our own void
    await zygote.wait_gone(); zygote.close()        a new one is the daemon's affair

After `verdict.kind is STARTED` connect with `ShimClient.connect(folder, order.nonce)`. `await running.wait_gone()`
returns when the shim has ended (for an adopted one: `agent.process_watch.wait_gone(verdict.pid, verdict.start)`);
`running.close()` lets go of its descriptors.

`zygote_posix.py`: a zygote that forks (Linux, macOS). `zygote_windows.py`: the next process started ahead, seen under
Wine (`tests/windows`).
"""

import sys

from agent.shims_port import ZygoteGone

if sys.platform == "win32":
    from agent.zygote_windows import IdleShim, RunningShim, Zygote
else:
    from agent.zygote_posix import IdleShim, RunningShim, Zygote

__all__ = ["IdleShim", "RunningShim", "Zygote", "ZygoteGone"]
