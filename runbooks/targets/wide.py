"""`transport: asyncssh`: one process that holds the connections to many machines, instead of one `ssh` a session.

The keeper hands it, over a socket, which host and the three descriptors of a line; what happens on the line is the same
as with `ssh`. It keeps a connection a host, ends when the keeper does, and nothing depends on it: when it dies the links
are lost, and the hosts are asked, by `ssh`.

What the user's own ssh configuration says holds here as far as asyncssh reads it: identities, agents, jump hosts, known
hosts. A host must be known; nobody is asked for a password.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from typing import Any

from runbooks.targets import ssh

PACKET = 65_536


class _Relay:
    def __init__(self, sock: socket.socket):
        self.sock = sock
        self.done = asyncio.Event()
        self.connections: dict[str, asyncio.Task[Any]] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until the keeper is gone."""
        loop = asyncio.get_running_loop()
        self.sock.setblocking(False)
        loop.add_reader(self.sock, self.hear)
        await self.done.wait()

    def hear(self) -> None:
        try:
            data, fds, _, _ = socket.recv_fds(self.sock, PACKET, 3)
        except BlockingIOError:
            return
        except OSError:
            data, fds = b"", []
        if not data:
            self.done.set()
            return
        task = asyncio.get_running_loop().create_task(self.serve(json.loads(data), fds))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def serve(self, wide: list[str], fds: list[int]) -> None:
        given, out, errors = fds
        try:
            import asyncssh
        except ImportError:
            os.write(
                errors,
                b"asyncssh is not installed here: pip install 'howdah[ssh]', or take out its `transport`\n",
            )
            for fd in fds:
                os.close(fd)
            return
        try:
            connection = await self.connection(wide)
            process = await connection.create_process(
                ssh.COMMAND, stdin=given, stdout=out, stderr=errors, encoding=None
            )
            given = out = -1  # they are closed by whom they were given to
            await process.wait()
        except (OSError, asyncssh.Error, TimeoutError) as problem:
            self.connections.pop(wide[0], None)
            with contextlib.suppress(OSError):
                os.write(errors, _said(problem).encode("utf-8", "replace") + b"\n")
        finally:
            for fd in (given, out, errors):
                if fd >= 0:
                    with contextlib.suppress(OSError):
                        os.close(fd)

    async def connection(self, wide: list[str]) -> Any:
        """The host's connection, made by the first who needs it."""
        name = wide[0]
        known = self.connections.get(name)
        if known is None or (
            known.done() and (known.cancelled() or known.exception() or known.result().is_closed())
        ):
            known = self.connections[name] = asyncio.get_running_loop().create_task(_connect(*wide[1:]))
        return await asyncio.shield(known)


async def _connect(address: str, user: str, port: str, seconds: str) -> Any:
    import asyncssh

    more: dict[str, Any] = {}
    if user:
        more["username"] = user
    if port:
        more["port"] = int(port)
    return await asyncio.wait_for(
        asyncssh.connect(
            address, keepalive_interval=ssh.ALIVE, keepalive_count_max=3, agent_forwarding=False,
            preferred_auth="publickey,hostbased,gssapi-with-mic", **more,
        ),
        float(seconds),
    )  # fmt: skip


def _said(problem: BaseException) -> str:
    """In words that `ssh.why_unreached` knows."""
    if isinstance(problem, TimeoutError):
        return "Connection timed out"
    if isinstance(problem, OSError):
        return (
            problem.strerror
            if problem.strerror and "Connect call" not in problem.strerror
            else _plain(problem)
        )
    return str(problem) or type(problem).__name__


def _plain(problem: OSError) -> str:
    return os.strerror(problem.errno) if problem.errno else str(problem)


def main() -> None:
    """The life of the process; its descriptor 0 is the keeper's socket."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_Relay(socket.socket(fileno=0)).run())
    os._exit(0)  # what is still connected ends with us, and without a word


if __name__ == "__main__":
    main()
