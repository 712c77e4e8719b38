"""What every shim does between its order and its verdict, done once before, with nothing at stake.

In the zygote, so that codecs, templates and caches are loaded before the fork; and again in each idle shim, so that the
pages which this work writes to are its own before an order comes: copying them costs 4 of 7 ms CPU, and an idle shim
has time. It costs 1.7 MB a shim, which a running one needs anyway.
"""

import hashlib
import os
import selectors

from agent.masking import Masker, PatternSet
from agent.ports.clock import SystemClock
from agent.process import start_of
from agent.shim.order import ShimOrder, Stamp, decode_order, encode_order
from agent.shim.verdict import Verdict, VerdictKind, decode_verdict, encode_verdict


def rehearse() -> None:
    """Decode an order, build masks, encode a verdict, look at this process; leaves nothing behind."""
    stamp = Stamp.of(SystemClock())
    order = ShimOrder(
        execution_id="", fence=0, nonce="0" * 32, folder="/", argv=("",), env={}, cwd="/", permit=stamp, heartbeat=stamp
    )
    decode_order(encode_order(order))
    masker = Masker(PatternSet([b"rehearsal 'of' a \"secret\""]))
    masker.feed(b"rehearsal ")
    masker.end()
    verdict = Verdict(kind=VerdictKind.STARTED, nonce="", wall_ns=0, boot_ns=0)
    decode_verdict(encode_verdict(verdict))
    hashlib.sha256(b"").hexdigest()
    selectors.DefaultSelector().close()
    start_of(os.getpid())
