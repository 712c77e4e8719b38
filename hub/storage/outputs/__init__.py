"""Output of executions: bytes as the bots wrote them, kept outside the database (`design.md` §4, `core.md` §3).

The way of a byte, and what survives a crash at each point::

    runner's frame > LiveOutput (memory) > journal (one fdatasync a group) > segment of the execution > sealed file
                     `have`, viewers       `safe`, acknowledged              random access              zstd, for ever

Up to the journal a crash of the hub loses bytes that the runner still holds and sends again; then nothing is lost.
`Outputs` is the whole interface; the other modules are its parts, each a step of that way.
"""

from hub.storage.outputs.outputs import End, Finished, Outputs, Position, Receipt
from hub.storage.outputs.view import Line, Lines, Piece

__all__ = ["End", "Finished", "Line", "Lines", "Outputs", "Piece", "Position", "Receipt"]
