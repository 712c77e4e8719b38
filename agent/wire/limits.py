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
