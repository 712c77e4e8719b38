"""Identifiers: a prefix that says what is named, then 32 hexadecimal digits of a UUID.

Made by whoever owns the randomness (the hub's store, the runner's shell); here they are only typed and taken apart.
"""

import re
from typing import Annotated, NewType

from pydantic import StringConstraints

TaskId = NewType("TaskId", str)
ExecutionId = NewType("ExecutionId", str)
RunnerId = NewType("RunnerId", str)
BuildId = NewType("BuildId", str)
AutomationId = NewType("AutomationId", str)
WorkspaceId = NewType("WorkspaceId", str)

WireExecutionId = Annotated[str, StringConstraints(pattern=r"^exe_[0-9a-f]{32}$")]
WireTaskId = Annotated[str, StringConstraints(pattern=r"^tsk_[0-9a-f]{32}$")]
WireRunnerId = Annotated[str, StringConstraints(pattern=r"^rnr_[0-9a-f]{32}$")]
WireBuildId = Annotated[str, StringConstraints(pattern=r"^bld_[0-9a-f]{32}$")]
Sha256Hex = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]

_EXECUTION = re.compile(r"exe_([0-9a-f]{32})\Z")


def execution_bytes(execution_id: str) -> bytes:
    """The 16 bytes that stand for an execution in a binary frame.

    Raises ValueError for anything that is not an execution's id.
    """
    found = _EXECUTION.match(execution_id)
    if found is None:
        raise ValueError(f"not an execution id: {execution_id!r}")
    return bytes.fromhex(found.group(1))


def execution_id_of(raw: bytes) -> ExecutionId:
    """The reverse of `execution_bytes`."""
    if len(raw) != 16:
        raise ValueError(f"an execution is named by 16 bytes, got {len(raw)}")
    return ExecutionId(f"exe_{raw.hex()}")
