"""`transport: asyncssh`: one process that holds the connections to many machines, instead of one `ssh` a session.

The keeper hands it, over a socket, which host and the three descriptors of a line; what happens on the line is the same
as with `ssh`. Names of one account on one machine share a connection, as they do with OpenSSH's ControlMaster. It ends
when the keeper does, and nothing depends on it: when it dies the links are lost, and the hosts are asked.

With words behind it, an account and a command, it is what `ssh` is to other hosts: one session between its descriptors 0,
1 and 2, by which a host is asked.

What the user's own ssh configuration says holds here as far as asyncssh reads it: identities, agents, jump hosts, known
hosts. A host must be known; nobody is asked for a password.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from runbooks.targets import ssh

PACKET = 65_536
SESSIONS = 10  # on one connection: what sshd admits where nobody says otherwise (sshd_config(5), MaxSessions)
THREADS = 128  # that look up names and read configurations


class Account(NamedTuple):
    """What a connection is made by: two names with the same are one account on one machine."""

    address: str
    user: str
    port: str
    seconds: str  # to connect


class _Shared:
    """A connection, also while it is being made, and how many sessions it has."""

    def __init__(self, account: Account):
        self.sessions = 0
        self.connected: asyncio.Task[Any] = asyncio.get_running_loop().create_task(_connect(account))

    @property
    def serves(self) -> bool:
        made = self.connected
        return not made.done() or not (made.cancelled() or made.exception() or made.result().is_closed())


class _Relay:
    def __init__(self) -> None:
        self.shared: dict[Account, list[_Shared]] = {}
        self.most: dict[Account, int] = {}  # sessions that its server admits on a connection
        self.tasks: set[asyncio.Task[None]] = set()

    async def run(self, keeper: socket.socket) -> None:
        """Until the keeper is gone."""
        gone = asyncio.Event()
        # Some names that take long to look up must not hold up the rest.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
        keeper.setblocking(False)
        asyncio.get_running_loop().add_reader(keeper, self.hear, keeper, gone)
        await gone.wait()

    def hear(self, keeper: socket.socket, gone: asyncio.Event) -> None:
        try:
            data, fds, _, _ = socket.recv_fds(keeper, PACKET, 3)
        except BlockingIOError:
            return
        except OSError:
            data, fds = b"", []
        if not data:
            gone.set()
            return
        serving = self.serve(Account(*json.loads(data)), ssh.COMMAND, fds)
        task = asyncio.get_running_loop().create_task(serving)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def serve(self, account: Account, command: str, fds: list[int]) -> None:
        """One session; why there was none, or no longer, is said on the last of these descriptors, and all are closed."""
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
        while given >= 0:
            shared = self.with_room(account)
            shared.sessions += 1
            try:
                connection = await asyncio.shield(shared.connected)
                process = await connection.create_process(
                    command, stdin=given, stdout=out, stderr=errors, encoding=None
                )
                given = out = -1  # they are closed by whom they were given to
                await process.wait()
            except (OSError, ValueError, asyncssh.Error) as problem:
                # ValueError is what it has for configurations, keys and names that it cannot read.
                others = shared.sessions - 1
                if isinstance(problem, asyncssh.ChannelOpenError) and others and shared.serves:
                    self.most[account] = others
                    continue  # this server admits no more on one
                with contextlib.suppress(OSError):
                    os.write(errors, _said(problem).encode("utf-8", "replace") + b"\n")
                break
            finally:
                shared.sessions -= 1
        for fd in (given, out, errors):
            if fd >= 0:
                with contextlib.suppress(OSError):
                    os.close(fd)

    def with_room(self, account: Account) -> _Shared:
        """A connection that takes another session; a new one if need be."""
        known = self.shared[account] = [one for one in self.shared.get(account, ()) if one.serves]
        most = self.most.get(account, SESSIONS)
        found = next((one for one in known if one.sessions < most), None)
        if found is None:
            found = _Shared(account)
            known.append(found)
        return found


async def _connect(account: Account) -> Any:
    import asyncssh

    more: dict[str, Any] = {}
    if account.user:
        more["username"] = account.user
    if account.port:
        more["port"] = int(account.port)
    return await asyncio.wait_for(
        asyncssh.connect(
            account.address, keepalive_interval=ssh.ALIVE, keepalive_count_max=3, agent_forwarding=False,
            preferred_auth="publickey,hostbased,gssapi-with-mic", **more,
        ),
        float(account.seconds),
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
    """The life of the process; its descriptor 0 is the keeper's socket, where it is given no words."""
    relay = _Relay()
    with contextlib.suppress(KeyboardInterrupt):
        if words := sys.argv[1:]:
            asyncio.run(relay.serve(Account(*words[:4]), words[4], [os.dup(fd) for fd in (0, 1, 2)]))
        else:
            asyncio.run(relay.run(socket.socket(fileno=0)))
    os._exit(0)  # what is still connected ends with us, and without a word


if __name__ == "__main__":
    main()
