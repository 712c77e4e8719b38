"""Version 1: one hierarchy for each controller; a process must enter each that limits it."""

PERIOD_US = 100_000


def limit_files(controller: str, value: float | None) -> list[tuple[str, str, bool]]:
    """Return (file, text, whether it must succeed) in the order of writing; None takes a limit away.

    Memory with swap may not be below memory: so it is lifted first, then both are set. Machines without swap
    accounting have no such file; there the group is kept from swapping, so that the limit means what it says.
    """
    match controller:
        case "memory":
            most = "-1" if value is None else str(int(value))
            return [
                ("memory.swappiness", "0", False),
                ("memory.memsw.limit_in_bytes", "-1", False),
                ("memory.limit_in_bytes", most, True),
                ("memory.memsw.limit_in_bytes", most, False),
            ]
        case "pids":
            return [("pids.max", "max" if value is None else str(int(value)), True)]
        case _:
            quota = "-1" if value is None else str(max(1000, int(value * PERIOD_US)))
            return [("cpu.cfs_period_us", str(PERIOD_US), True), ("cpu.cfs_quota_us", quota, True)]
