"""Files of executions on their way in: bytes first, durable under their digest, then the fact that names them (§6)."""

from hub.services.bots import Speaker
from hub.storage import executions, owned_blobs
from hub.storage.blobs import Blob
from hub.storage.builds import own_blobs
from hub.storage.transaction import Done, Transaction


def is_own(tx: Transaction, speaker: Speaker) -> bool:
    """Whether this runner speaks for an execution of its own; also one that has settled: files may come late."""
    execution = executions.get(tx, speaker.workspace_id, speaker.execution_id)
    return execution is not None and execution.runner_id == speaker.runner_id


def has(tx: Transaction, workspace_id: str, sha256: str) -> bool:
    """Whether the workspace owns these bytes already."""
    return owned_blobs.size(tx, workspace_id, sha256) is not None


def own(tx: Transaction, workspace_id: str, blob: Blob) -> Done[None]:
    """The workspace owns a stored blob."""
    own_blobs(tx, workspace_id, {blob.sha256: blob.size_bytes})
    return Done(None)
