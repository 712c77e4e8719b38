"""What a simulated machine says of itself (`agent.machine.Machine`)."""

from tests.simulation.process import Host


class SimMachine:
    """See `agent.machine.Machine`."""

    def __init__(self, name: str, host: Host) -> None:
        self._name = name
        self._host = host

    def fingerprint(self) -> str:
        """See the port."""
        digest = self._name.encode().hex().ljust(32, "0")[:32]
        return f"os:{digest} product:{digest}"

    def boot_id(self) -> str:
        """See the port."""
        return f"boot {self._host.boots} of {self._name}"

    def describe(self) -> dict[str, str]:
        """See the port."""
        return {"os": "linux", "machine": "simulated", "python": "3", "host": self._name}
