"""Why a build is not ready on this machine; `is_permanent` says whether trying again by itself is useless."""


class PreparationError(Exception):
    """One sentence for people, which may quote a tool; no secrets."""

    def __init__(self, message: str, *, is_permanent: bool) -> None:
        super().__init__(message)
        self.message = message
        self.is_permanent = is_permanent


class GoneAtHubError(PreparationError):
    """The hub does not have what it asked for (R55)."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the hub has no {what}", is_permanent=True)


class HubUnreachableError(PreparationError):
    """The hub could not be reached, or hung up in the middle; what came so far is kept."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the hub could not be reached: {reason}", is_permanent=False)
