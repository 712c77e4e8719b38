"""Sizes and times that both ends of the link must agree on.

Sources: `reliability.md` P8, P9, S39; `core.md` §1 D3, §3. Units stand in the names.
"""

FRAME_MAX_BYTES = 1024 * 1024
"""No websocket message is larger, in either direction; a larger one closes the link."""

OUTPUT_DATA_MAX_BYTES = 64 * 1024
"""Bytes of output that one binary frame carries at most."""

OUTPUT_WINDOW_BYTES = 1024 * 1024
"""Bytes of one execution that may be under way without the hub's `have`."""

CONNECTION_WINDOW_BYTES = 4 * 1024 * 1024
"""The same over all executions of one connection."""

OUTPUT_ACK_BYTES = OUTPUT_WINDOW_BYTES // 2
OUTPUT_ACK_S = 0.25
"""The hub acknowledges output at half a window or after this time, whichever is first."""

FACTS_IN_FLIGHT = 32
"""Facts of one execution that may be unacknowledged on the wire."""

CONNECTION_FACTS_IN_FLIGHT = 1024
"""The same over all executions of one connection: far fewer than a hub lets wait for its database."""

HEARTBEAT_S = 10.0
PING_S = 15.0
SILENCE_S = 35.0
"""No byte for this long: the link is dead, on both sides (P8, R42)."""

CREDIT_AGE_MAX_S = 30.0
"""An order whose credit is older is void (`core.md` D3)."""

HANDSHAKE_S = 10.0
QUERY_AFTER_S = 5.0
QUERY_GIVE_UP_S = 60.0

MESSAGE_TEXT_MAX = 32 * 1024
"""Longest text of a report or an error that is kept; longer ones are cut, never refused (`maestro.md` §3.2)."""

PARAMETERS_MAX_BYTES = 256 * 1024
"""Largest parameters of a task as JSON, so that a `Start` fits a frame."""

OUTPUTS_MAX_BYTES = 256 * 1024
"""Names and values of one execution's outputs, as JSON; what is more is left out and named."""

SUMMARY_MAX_BYTES = 256 * 1024
"""A longer summary is cut, and says so. As JSON it may take `SUMMARY_JSON_MAX_BYTES`."""

SUMMARY_JSON_MAX_BYTES = 384 * 1024
ANNOTATIONS_MAX_BYTES = 256 * 1024
"""All annotations of an execution, as JSON: with outputs and summary they fit one frame."""

ANNOTATIONS_MAX = 50
"""Annotations of one execution that are kept; more are only counted."""

PROGRESS_TEXT_MAX = 500
PROGRESS_EVERY_S = 1.0
"""A runner tells an execution's progress no more often (`bot-packages.md` §7)."""

LOG_NAME_MAX = 128
COLUMN_NAME_MAX = 128
ROW_COLUMNS_MAX = 100
ROW_MAX_BYTES = 64 * 1024
"""One row of a record log, as JSON."""
BURIED_MAX = 1000
"""Tombstones in one message."""
