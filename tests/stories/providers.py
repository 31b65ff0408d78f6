"""Providers on loopback: a push service over HTTP and a mail server, each of which can be made to fail."""

from __future__ import annotations

import contextlib
import dataclasses
import http.server
import json
import socket
import socketserver
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple


class Push(NamedTuple):
    """What the push service got, and from when it had it."""

    person: str
    title: str
    message: str


@dataclasses.dataclass
class Providers:
    """`answer` is what the push service does: a status, or `hang`. `pushes` and `mails` are what arrived."""

    push_port: int = 0
    mail_port: int = 0
    answer: int | str = 200
    pushes: list[Push] = dataclasses.field(default_factory=list)
    mails: list[tuple[str, str]] = dataclasses.field(default_factory=list)  # to, text
    freed: threading.Event = dataclasses.field(default_factory=threading.Event)

    @property
    def push_url(self) -> str:
        return f"json://127.0.0.1:{self.push_port}/{{name}}/a-token-nobody-may-see"

    @property
    def mail_url(self) -> str:
        return f"mailto://127.0.0.1:{self.mail_port}/?from=howdah@example.org&to={{mail}}&mode=insecure"


def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextlib.contextmanager
def providers() -> Iterator[Providers]:
    known = Providers()
    servers: list[socketserver.TCPServer] = [
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), _push(known)),
        _Mail(("127.0.0.1", 0), _mail(known)),
    ]
    known.push_port, known.mail_port = (server.socket.getsockname()[1] for server in servers)
    threads = [threading.Thread(target=server.serve_forever, args=(0.05,)) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield known
    finally:
        known.freed.set()
        for server in servers:
            server.shutdown()
            server.server_close()
        for thread in threads:
            thread.join()


def _push(known: Providers) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = known.answer
            if answer == "hang":
                known.freed.wait()
                return
            if answer == 200:
                known.pushes.append(Push(self.path.split("/")[1], str(body["title"]), str(body["message"])))
            with contextlib.suppress(OSError):  # whoever asked may be dead
                self.send_response(int(answer))
                self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


class _Mail(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def _mail(known: Providers) -> type[socketserver.BaseRequestHandler]:
    """As much of SMTP (RFC 5321) as a client needs to hand over a message."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 loopback")
            to, lines, in_data = "", list[str](), False
            for raw in self.rfile:
                line = raw.decode("utf-8", "replace").rstrip("\r\n")
                if in_data:
                    if line == ".":
                        known.mails.append((to, "\n".join(lines)))
                        in_data = False
                        self._say("250 taken")
                    lines.append(line)
                    continue
                word = line[:4].upper()
                if word == "RCPT":
                    to = line.partition("<")[2].partition(">")[0]
                if word == "DATA":
                    in_data = True
                self._say("354 go on" if word == "DATA" else "221 bye" if word == "QUIT" else "250 fine")
                if word == "QUIT":
                    return

        def _say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

    return Handler
