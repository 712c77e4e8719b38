"""Two processes that share no handle meet on loopback, and nobody else is let in."""

import socket
import threading

import pytest

from agent.shim.meeting import Meeting, come


def test_who_knows_the_word_is_met(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger who comes first is sent away; no child is told the word."""
    meeting = Meeting()
    (place,) = meeting.variables.values()
    with socket.create_connection(("127.0.0.1", int(place.split()[0]))) as stranger:
        stranger.sendall(b"x" * 64)
        for name, value in meeting.variables.items():
            monkeypatch.setenv(name, value)
        said: list[bytes] = []

        def live() -> None:
            met = come()
            assert met is not None
            assert come() is None
            met.file.write(met.file.readline())
            met.file.flush()
            said.append(met.file.readline())
            met.close()

        thread = threading.Thread(target=live)
        thread.start()
        stream = meeting.wait(30, thread.is_alive)
        stream.file.write(b"an order\n")
        stream.file.flush()
        assert stream.file.readline() == b"an order\n"
        stream.close()
        thread.join()
    assert said == [b""]


def test_one_that_ended_is_not_waited_for() -> None:
    with pytest.raises(OSError, match="ended before it came"):
        Meeting().wait(30, lambda: False)


def test_a_reader_finds_the_end_when_its_stream_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that waits for a verdict must not hold the loop that closes."""
    meeting = Meeting()
    for name, value in meeting.variables.items():
        monkeypatch.setenv(name, value)
    other = come()
    stream = meeting.wait(30, lambda: True)
    found: list[bytes] = []

    def read() -> None:
        try:
            found.append(stream.file.readline())
        except ValueError:  # it began after the close
            found.append(b"")

    thread = threading.Thread(target=read)
    thread.start()

    stream.close()

    thread.join()
    assert found == [b""]
    assert other is not None
    other.close()
