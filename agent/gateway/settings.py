"""Limits of the gateway. Times in seconds; `core.md` §6, `maestro.md` §1.1."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """What the daemon may choose."""

    upload_folder: Path
    """Where bodies too large for memory wait; made 0700 when first needed."""
    upload_max_bytes: int = 512 * 1024 * 1024
    give_up_s: float = 27.0
    """SDKs wait 30 s for an answer; ours comes before that."""
    look_s: float = 2.0
    """How long a bot's look at its own task may wait for the hub before it is answered from what is known here."""
