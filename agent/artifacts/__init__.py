"""An execution's files, brought to the hub at its end in every case, also after a kill (`bot-packages.md` §6).

Found without following links (`walking`), hashed, sent by digest with the session's ticket and gone on with after a cut
(`delivery`), tried again until the hub has them; a file is then a fact (`collector`). What is left out is named with
its reason: nothing is dropped in silence (G5). While a bot runs, the same is done when the hub asks for it, and at once
for a file that the bot handed to the gateway.
"""

from agent.artifacts.collector import Collector, is_any_left
from agent.artifacts.record import Brought

__all__ = ["Brought", "Collector", "is_any_left"]
