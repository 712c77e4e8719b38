"""How an execution's files reach the hub: one HTTPS request each, with the session's ticket (`core.md` §6).

    HEAD /runner/v1/artifacts/<sha256>    200: the hub has these bytes already; 404: it does not
    PUT  /runner/v1/artifacts/<sha256>    the bytes; 200 or 201 when they are durable under their digest

Both carry ``Authorization: Bearer <ticket>`` and ``Botyard-Execution: exe_…``. 413 (too large) and 422 (the digest is
another one) are final; everything else is tried again. That the file belongs to the task is said by an `ArtifactFact`.
"""

EXECUTION_HEADER = "Botyard-Execution"
ARTIFACT_ROUTE = "/runner/v1/artifacts/{sha256}"
ARTIFACT_MAX_BYTES = 512 * 1024 * 1024
ARTIFACTS_MAX = 1000
"""Files of one execution that are collected; what is beyond is named in `FinalFact.left_out`."""


def artifact_path(sha256: str) -> str:
    """Where a file goes."""
    return ARTIFACT_ROUTE.format(sha256=sha256)
