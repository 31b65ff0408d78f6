"""What driver and keeper say to each other: one JSON document a packet; descriptors travel beside it.

Both ends may be of different releases only where VERSION is the same: an adopting driver compares it.
"""

from __future__ import annotations

import _socket
import binascii
import json
import os
import struct
from collections.abc import Iterable
from typing import Any

from incidents import clock
from runbooks.attempt import Ended, Far, Gone, Notice, Order, Output, OutputInfo, Started, Survivor

VERSION = 6
SOCKET = "keeper.sock"
GRACE = 5 * clock.SECOND  # for an attempt whose order died with its keeper
PACKET = 1 << 16
_INLINE = 1 << 15  # a longer order travels as a file in memory: a packet must fit the socket's buffer
_FILES = 3


def send_order(link: _socket.socket, order: Order, file: int, lock: int) -> None:
    """Raises OSError where the keeper is gone; it then has not received the order."""
    body = json.dumps(
        {
            "do": "launch", "n": order.n, "argv": order.argv, "env": order.env, "cwd": order.cwd, "user": order.user,
            "umask": order.umask, "timeout": order.timeout, "grace": order.grace, "secrets": order.secrets,
            "far": order.far, "after": order.after,
        }
    ).encode()  # fmt: skip
    if len(body) <= _INLINE:
        _send(link, body, [file, lock])
        return
    memory = os.memfd_create("howdah-order", os.MFD_CLOEXEC)
    try:
        with open(memory, "wb", closefd=False) as stream:
            stream.write(body)
        _send(link, json.dumps({"do": "launch", "n": order.n}).encode(), [file, lock, memory])
    finally:
        os.close(memory)


def send_stop(link: _socket.socket, n: int, why: str, grace: int) -> None:
    _send(link, json.dumps({"do": "stop", "n": n, "why": why, "grace": grace}).encode(), [])


def send_bye(link: _socket.socket) -> None:
    _send(link, json.dumps({"do": "bye"}).encode(), [])


def _send(link: _socket.socket, body: bytes, files: list[int]) -> None:
    beside = (
        [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack(f"{len(files)}i", *files))] if files else []
    )
    link.sendmsg([body], beside, _socket.MSG_NOSIGNAL)


def receive(link: _socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    """The next message with its descriptors; None at the end of the connection."""
    body, beside, _, _ = link.recvmsg(PACKET, _socket.CMSG_SPACE(4 * _FILES), _socket.MSG_CMSG_CLOEXEC)
    files = [fd for _, _, raw in beside for fd in struct.unpack(f"{len(raw) // 4}i", raw)]
    if not body:
        return None, files
    if len(files) == _FILES:
        with open(files.pop(), "rb") as stream:
            stream.seek(0)
            body = stream.read()
    return json.loads(body), files


def is_whole(message: dict[str, Any]) -> bool:
    """Has the order that is launched come with it? One that is too long for a message is in a file beside it."""
    return "argv" in message


def unpack_order(message: dict[str, Any]) -> Order:
    fields = {name: value for name, value in message.items() if name != "do"}
    far = message["far"]
    read = {
        "argv": tuple(message["argv"]),
        "secrets": tuple(message["secrets"]),
        "after": tuple(message["after"]),
        "far": None if far is None else Far(far[0], tuple(far[1]), far[2], tuple(far[3]), far[4]),
    }
    return Order(**{**fields, **read})


def pack_notice(notice: Notice) -> bytes:
    if isinstance(notice, Ended):
        held = binascii.b2a_base64(notice.output.held, newline=False).decode()
        notice = notice._replace(output=notice.output._replace(held=held))  # type: ignore[arg-type]
    return json.dumps([type(notice).__name__, *notice]).encode()


def pack_hello(running: Iterable[tuple[int, int, int, int]]) -> bytes:
    return json.dumps(["Hello", VERSION, list(running)]).encode()


def unpack_hello(raw: bytes) -> list[Started] | None:
    """What runs in the keeper's charge; None where it is of another release."""
    name, version, running = json.loads(raw)
    return [Started(*one) for one in running] if name == "Hello" and version == VERSION else None


def unpack_notice(raw: bytes) -> Notice:
    name, *fields = json.loads(raw)
    match name:
        case "Started":
            return Started(*fields)
        case "Output":
            return Output(*fields)
        case "Gone":
            return Gone(*fields)
    ended = Ended(*fields)
    total, dropped, segments, held = ended.output
    return ended._replace(
        survivors=tuple(Survivor(*one) for one in ended.survivors),
        services=tuple(Survivor(*one) for one in ended.services),
        output=OutputInfo(total, dropped, tuple(segments), binascii.a2b_base64(held)),
    )
