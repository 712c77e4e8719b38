"""Ports for servers that cannot be told to take port 0."""

import socket


def free_port() -> int:
    """Return a loopback TCP port that nobody listens on at this moment; prefer port 0 where the server reports it."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
