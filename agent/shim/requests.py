"""What the daemon may ask a running shim to do, one function a request."""

import os
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import TYPE_CHECKING

from agent.shim.order import Stamp, read_bounds
from agent.shim.service import Reply, RequestError
from agent.shim.wire import Message
from agent.wire.words import StopCause

if TYPE_CHECKING:
    from agent.shim.body import Tree
    from agent.shim.ending import Ending
    from agent.shim.supervisor import House
    from agent.shim.verdict import Verdict


class Desk:
    """Answers requests by their word `do`; an unknown or malformed one is a `RequestError`."""

    def __init__(self, house: "House", verdict: "Verdict", tree: "Tree", ending: "Ending") -> None:
        self._house = house
        self._verdict = verdict
        self._tree = tree
        self._ending = ending
        self._actions: dict[str, Callable[[Message], Reply]] = {
            "state": self._state,
            "stop": self._stop,
            "extend": self._extend,
            "run_limit": self._run_limit,
            "limits": self._limits,
            "touch": self._touch,
            "add_masks": self._add_masks,
            "read_masks": self._read_masks,
            "safe": self._safe,
            "gateway": self._gateway,
            "kill": self._kill,
        }

    def handle(self, message: Message) -> Reply:
        """Do what is asked."""
        action = self._actions.get(str(message.get("do")))
        if action is None:
            raise RequestError(f"unknown request {message.get('do')!r}")
        try:
            return action(message)
        except (KeyError, ValueError, TypeError) as error:
            raise RequestError(f"malformed request: {error!r}") from error

    def _state(self, _: Message) -> Reply:
        return Reply(body=self._ending.state(self._tree.main, self._verdict))

    def _stop(self, message: Message) -> Reply:
        is_begun = self._ending.stop(StopCause(message["cause"]), str(message["by"]), Stamp.of(self._house.clock))
        return Reply(body={"begun": is_begun, "cause": self._ending.cause})

    def _extend(self, message: Message) -> Reply:
        heartbeat = Stamp(boot_ns=int(message["boot_ns"]), wall_ns=int(message["wall_ns"]))
        self._ending.deadlines = self._ending.deadlines.extended(heartbeat)
        return Reply(body={})

    def _run_limit(self, message: Message) -> Reply:
        limit = message["run_limit_s"]
        until = None if limit is None else self._verdict.boot_ns + int(float(limit) * 1e9)
        self._ending.deadlines = self._ending.deadlines.with_run_limit(until)
        return Reply(body={})

    def _limits(self, message: Message) -> Reply:
        """All of them anew: the same request again changes nothing."""
        bounds = read_bounds(message["bounds"])
        silence = message["no_progress_s"]
        self._run_limit(message)
        self._ending.deadlines = self._ending.deadlines.with_no_progress(None if silence is None else float(silence))
        self._ending.set_bounds(bounds)
        cpus = [int(cpu) for cpu in message["cpus"]]
        if cpus:
            self._tree.keep_on(cpus)
        return Reply(body={})

    def _touch(self, _: Message) -> Reply:
        self._ending.touch(self._house.clock.boot_ns())
        return Reply(body={})

    def _add_masks(self, message: Message) -> Reply:
        self._house.add_masks([b64decode(mask, validate=True) for mask in message["masks"]])
        return Reply(body={})

    def _read_masks(self, _: Message) -> Reply:
        return Reply(body={"masks": [b64encode(mask).decode() for mask in self._house.patterns.secrets]})

    def _safe(self, message: Message) -> Reply:
        self._house.writer.note_safe(int(message["offset"]))
        return Reply(body={})

    def _gateway(self, _: Message) -> Reply:
        if self._house.gateway is None or sys.platform == "win32":
            raise RequestError("this shim holds no gateway socket")
        os.fstat(self._house.gateway)
        return Reply(body={}, descriptor=self._house.gateway)

    def _kill(self, _: Message) -> Reply:
        self._tree.kill()
        return Reply(body={})
