"""The client of the profile that is in force; what most commands begin with."""

from hub.cli.client import Client
from hub.cli.profile import load_profile


def connected() -> Client:
    """A client for the hub of the environment or the profile. Raises Failure when nobody logged in."""
    return Client(load_profile())
