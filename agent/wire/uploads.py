"""How an execution's files reach the hub: one HTTPS request each, with the session's ticket (`core.md` §6).

    HEAD /runner/v1/artifacts/<sha256>    200: the hub has these bytes already; 404: it does not, but for the first
                                          ``Upload-Offset`` bytes that an earlier try has left there
    PUT  /runner/v1/artifacts/<sha256>    the bytes; 200 or 201 when they are durable under their digest; with
                                          ``Content-Range: bytes FIRST-LAST/TOTAL`` a part, gone on with (R56)

Both carry ``Authorization: Bearer <ticket>`` and ``Botyard-Execution: exe_…``. The digest is checked at the end: 422
says that the bytes have another one, and then nothing of them is kept. 413 (too large) is final; everything else is
tried again. That the file belongs to the task is said by an `ArtifactFact`.
"""

EXECUTION_HEADER = "Botyard-Execution"
OFFSET_HEADER = "Upload-Offset"
ARTIFACT_ROUTE = "/runner/v1/artifacts/{sha256}"
ARTIFACT_MAX_BYTES = 512 * 1024 * 1024
ARTIFACTS_MAX = 1000
"""Files of one execution that are collected; what is beyond is named in `FinalFact.left_out`."""

ARTIFACTS_MAX_BYTES = 4 * 1024 * 1024 * 1024
"""Bytes of all files of one execution that are collected."""


def artifact_path(sha256: str) -> str:
    """Where a file goes."""
    return ARTIFACT_ROUTE.format(sha256=sha256)
