"""A few questions to a D-Bus, without a library or a program (D-Bus Specification 0.42, "Message Protocol").

One connection a call of `ask_bus`: hello, the questions at once, the answers. Only what the answers here consist of is
read: a boolean or a text, alone or in a variant.
"""

import asyncio
import os
import struct
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

_TIMEOUT_S = 2.0
_MESSAGE_MAX_BYTES = 1024 * 1024
_CALL, _RETURN, _ERROR = 1, 2, 3
_NO_AUTO_START = 2
_PATH, _INTERFACE, _MEMBER, _REPLY_SERIAL, _DESTINATION, _SIGNATURE = 1, 2, 3, 5, 6, 8
_SYSTEM = "unix:path=/run/dbus/system_bus_socket"

Value = bool | str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A method's call with texts as its arguments; nobody is started to answer it."""

    destination: str
    path: str
    interface: str
    member: str
    arguments: tuple[str, ...] = ()


_HELLO = Question(
    destination="org.freedesktop.DBus", path="/org/freedesktop/DBus", interface="org.freedesktop.DBus", member="Hello"
)


def property_of(destination: str, path: str, interface: str, name: str) -> Question:
    """Ask for a property of an object."""
    return Question(
        destination=destination,
        path=path,
        interface="org.freedesktop.DBus.Properties",
        member="Get",
        arguments=(interface, name),
    )


def system_bus(environment: Mapping[str, str]) -> str:
    """Where the machine's bus listens."""
    return environment.get("DBUS_SYSTEM_BUS_ADDRESS") or _SYSTEM


def session_bus(environment: Mapping[str, str]) -> str:
    """Where that of the user's session does; empty where nothing says so."""
    folder = environment.get("XDG_RUNTIME_DIR", "")
    return environment.get("DBUS_SESSION_BUS_ADDRESS") or (f"unix:path={folder}/bus" if folder else "")


def socket_of(address: str) -> str:
    """The socket of a bus's address, as `asyncio` wants it; empty where it is of another kind."""
    for one in address.split(";"):
        kind, _, rest = one.partition(":")
        told = dict(pair.partition("=")[::2] for pair in rest.split(","))
        if kind == "unix" and "path" in told:
            return unquote(told["path"])
        if kind == "unix" and "abstract" in told:
            return "\0" + unquote(told["abstract"])
    return ""


async def ask_bus(address: str, questions: Sequence[Question]) -> list[Value] | None:
    """The answers, in order: None for one that was refused. None of all where no bus answers within two seconds."""
    place = socket_of(address)
    if not place or sys.platform == "win32":
        return None
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            reader, writer = await asyncio.open_unix_connection(place)
            try:
                return await _talk(reader, writer, questions)
            finally:
                writer.close()
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, struct.error, ValueError):
        return None


async def _talk(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, questions: Sequence[Question]
) -> list[Value] | None:
    user = ""
    if sys.platform != "win32":
        user = str(os.getuid())
    writer.write(b"\0AUTH EXTERNAL " + user.encode().hex().encode() + b"\r\n")
    if not (await reader.readline()).startswith(b"OK"):
        return None
    calls = [call(serial, one) for serial, one in enumerate((_HELLO, *questions), start=1)]
    writer.write(b"BEGIN\r\n" + b"".join(calls))
    answers: dict[int, Value] = {}
    while len(answers) < len(calls):
        head = await reader.readexactly(16)
        order = "<" if head[:1] == b"l" else ">"
        body_bytes, _, fields_bytes = struct.unpack_from(order + "III", head, 4)
        if fields_bytes + body_bytes > _MESSAGE_MAX_BYTES:
            return None
        rest = await reader.readexactly(fields_bytes + -fields_bytes % 8 + body_bytes)
        told = read_fields(rest[:fields_bytes], order)
        if head[1] in {_RETURN, _ERROR} and isinstance(told.get(_REPLY_SERIAL), int):
            body = rest[len(rest) - body_bytes :] if head[1] == _RETURN else b""
            answers[int(told[_REPLY_SERIAL])] = read_value(body, str(told.get(_SIGNATURE, "")), order)
    return [answers.get(serial) for serial in range(2, len(calls) + 1)]


def call(serial: int, question: Question) -> bytes:
    """One call as it travels, little-endian."""
    body = b""
    for text in question.arguments:
        body += bytes(-len(body) % 4) + _text(text)
    fields = b""
    told = [
        (_PATH, "o", question.path),
        (_INTERFACE, "s", question.interface),
        (_MEMBER, "s", question.member),
        (_DESTINATION, "s", question.destination),
    ]
    for number, kind, value in told:
        fields += bytes(-len(fields) % 8) + struct.pack("<BBcx", number, 1, kind.encode()) + _text(value)
    if question.arguments:
        kinds = "s" * len(question.arguments)
        fields += bytes(-len(fields) % 8) + struct.pack("<BBcxB", _SIGNATURE, 1, b"g", len(kinds))
        fields += kinds.encode() + b"\0"
    head = struct.pack("<cBBBIII", b"l", _CALL, _NO_AUTO_START, 1, len(body), serial, len(fields))
    return head + fields + bytes(-len(fields) % 8) + body


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<I", len(data)) + data + b"\0"


def read_fields(data: bytes, order: str) -> dict[int, int | str]:
    """The fields of a message's head. Raises struct.error, IndexError for what is none."""
    found: dict[int, int | str] = {}
    at = 0
    while at < len(data):
        at += -at % 8
        number, size = data[at], data[at + 1]
        kind = data[at + 2 : at + 2 + size].decode("ascii", "replace")
        at += 3 + size
        if kind == "g":
            found[number] = data[at + 1 : at + 1 + data[at]].decode("ascii", "replace")
            at += 2 + data[at]
            continue
        at += -at % 4
        (value,) = struct.unpack_from(order + "I", data, at)
        at += 4
        if kind in {"s", "o"}:
            found[number] = data[at : at + value].decode("utf-8", "replace")
            at += value + 1
        else:
            found[number] = value
    return found


def read_value(body: bytes, signature: str, order: str) -> Value:
    """The first value of a body; None for what is neither a boolean nor a text. Raises struct.error."""
    at = 0
    if signature.startswith("v"):
        size = body[0]
        signature = body[1 : 1 + size].decode("ascii", "replace")
        at = 2 + size
        at += -at % 4
    if signature[:1] not in {"b", "s", "o"}:
        return None
    (value,) = struct.unpack_from(order + "I", body, at)
    if signature[0] == "b":
        return bool(value)
    return body[at + 4 : at + 4 + value].decode("utf-8", "replace")
