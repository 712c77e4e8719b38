"""The parts of the campaign in the order in which they run."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import cast

from tests.reliability.part import Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A part by its name; its module is imported when it begins."""

    name: str
    about: str
    module: str
    function: str = "run"
    weight: float = 1.0
    """Its share of the time, where `--minutes` limits it."""

    def load(self) -> Part:
        """The function that runs it."""
        return cast("Part", getattr(import_module(f"tests.reliability.{self.module}"), self.function))


PARTS: Sequence[Named] = (
    Named(name="table", about="each requirement has a test", module="requirements", weight=0.01),
    Named(name="fuzz", about="decoders and damaged files", module="fuzz", weight=1),
    Named(name="completions", about="cuts between report and acknowledgement", module="completions", weight=0.5),
    Named(name="simulator", about="simulated worlds by seed", module="simulator", weight=6),
    Named(name="machine", about="simulated worlds step by step, by hypothesis", module="machine", weight=1),
    Named(name="kills-hub", about="kill -9 of the hub", module="kills", function="run_hub", weight=3),
    Named(name="kills-daemon", about="kill -9 of the daemon", module="kills", function="run_daemon", weight=3),
    Named(name="kills-shim", about="kill -9 of shims", module="kills_shim", weight=1),
    Named(name="item-chaos", about="items while bots, agents and hub are killed", module="item_chaos", weight=3),
    Named(name="sweep", about="a blow at every durable or visible call", module="sweep", weight=4),
    Named(name="partitions", about="lines that fall silent, in network namespaces", module="partitions", weight=1),
    Named(name="slow-line", about="a line that loses 30 % and carries 64 kbit/s", module="slow_line", weight=0.5),
    Named(name="flood", about="1 GiB of output beside eight busy bots", module="flood", weight=0.5),
    Named(name="fitness", about="a machine made unfit in thirteen ways", module="fitness", weight=0.5),
    Named(name="herd", about="2,000 runners come back to a killed hub", module="herd", weight=1),
    Named(name="power", about="power cuts on an ext4 of its own", module="power", weight=2),
    Named(name="planted", about="planted bugs, each of which the suite must catch", module="planted", weight=4),
)
