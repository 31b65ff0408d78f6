"""The near end of a link: what `ssh` is called with, what is said over it, and what comes back.

The far end is `agent.sh`, sent over the link itself. It says lines `MARK word …`; everything else that comes is output,
and what comes before its `hello` is the noise of a login shell. The mark is random, so no program prints it by chance.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import socket
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from incidents import clock
from incidents.hosts import Host
from runbooks.attempt import Far, Survivor
from runbooks.quoting import shell_quote

ALIVE = 5  # seconds between two signs of life; after three without an answer ssh gives the link up
HELLO = 5 * clock.SECOND  # what a first word may take beyond connecting
PERSIST = 120  # seconds that the connection stays open for the next session
DEFAULT_UMASK = 0o022
WIDE = [sys.executable, "-P", "-m", "runbooks.targets.wide"]

# The user's own configuration decides all that is not said here. A host must be known: a new or changed key is
# refused, nobody is asked for a password.
_OPTIONS = (
    "-T", "-x", "-a", "-oBatchMode=yes", "-oStrictHostKeyChecking=yes", "-oRemoteCommand=none", "-oRequestTTY=no",
    "-oClearAllForwardings=yes", "-oPermitLocalCommand=no", "-oEscapeChar=none", f"-oServerAliveInterval={ALIVE}",
    "-oServerAliveCountMax=3", "-oControlMaster=auto", f"-oControlPersist={PERSIST}", "-oLogLevel=ERROR",
)  # fmt: skip


def far(host: Host, run: str, store: str) -> Far:
    """Where the attempts of a run on this host live. The key names the run among those of all stores."""
    digest = hashlib.sha256(f"{socket.gethostname()}:{os.path.realpath(store)}".encode("utf-8", "replace"))
    key = f"{run}-{digest.hexdigest()[:10]}"
    wide = _account(host) if host.transport == "asyncssh" else ()
    return Far(host.name, tuple(argv(host)), key, wide, host.connect_timeout)


def _account(host: Host) -> tuple[str, ...]:
    """As `wide.Account` has it."""
    return host.address, host.user or "", str(host.port or ""), str(_seconds(host))


def _seconds(host: Host) -> int:
    """What connecting may take, as ssh takes it."""
    return max(1, host.connect_timeout // clock.SECOND)


def argv(host: Host) -> list[str]:
    """What opens a session over there: `ssh` up to the address, or its like; the command comes behind it."""
    if host.transport == "asyncssh":
        return [*WIDE, *_account(host)]
    words = ["ssh", *_OPTIONS, f"-oControlPath={control_folder()}/%C", f"-oConnectTimeout={_seconds(host)}"]
    if host.user is not None:
        words += ["-l", host.user]
    if host.port is not None:
        words += ["-p", str(host.port)]
    return [*words, "--", host.address]


@functools.cache
def control_folder() -> str:
    """The folder of the control sockets, this account's own; its path must be short (unix(7): 107 bytes)."""
    for base in (os.environ.get("XDG_RUNTIME_DIR") or "/run", "/tmp"):
        folder = os.path.join(base, f"howdah-ssh-{os.geteuid()}")
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            found = os.lstat(folder)
        except OSError:
            continue
        if (
            found.st_uid == os.geteuid()
            and os.path.isdir(folder)
            and not os.path.islink(folder)
            and len(folder) < 50
        ):
            os.chmod(folder, 0o700)
            return folder
    return "/nonexistent"  # ssh then makes a connection a session


# Behind these a command goes on in the next line; behind all others is its end.
_GOES_ON = re.compile(r"(\b(then|do|else|in)|;;|[{(|&]|^[^()\s]+\))$")


def agent() -> str:
    """The text of the far end as one line, without its comments."""
    with open(os.path.join(os.path.dirname(__file__), "agent.sh"), encoding="ascii") as file:
        lines = [line.strip() for line in file]
    code = [line for line in lines if line and not line.startswith("#")]
    return "".join(line + (" " if _GOES_ON.search(line) else "; ") for line in code)


def new_mark() -> bytes:
    return b"\x1ehowdah:" + os.urandom(16).hex().encode()


def script(key: str, mark: bytes) -> bytes:
    """What the agent is told first: its mark, and its run."""
    return mark + b"\n" + key.encode("ascii") + b"\n"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\"'\"'") + "'"


# What the login shell is given, whichever it is: a line that sh, csh and fish read alike. The agent stands in it because
# a shell reads its input one byte at a time, and the environment ends here, but for this.
COMMAND = (
    """exec env -i PATH="$PATH" HOME="$HOME" USER="$USER" LOGNAME="$LOGNAME" /bin/sh -c """
    f"{_quoted(agent())} howdah"
)


def payload(argv: Sequence[str], env: Mapping[str, str], mark: str, umask: int = DEFAULT_UMASK) -> bytes:
    """One line of shell that becomes the program: a newline in a value is `"$NL"`. `mark` is what its children carry."""
    words = [
        'cd -- "$HOME" || refuse 126 "the home $HOME cannot be entered"',
        "unset LC_ALL OLDPWD SHLVL PWD", f"umask {umask:03o}",
        f"need {quote(argv[0])}",
        *(f"export {name}={quote(value)}" for name, value in env.items()),
        f"export HOWDAH_FAR={quote(mark)}",
        "trap - HUP", f"exec \"$SETSID\" {' '.join(map(quote, argv))}",
    ]  # fmt: skip
    if any("\n" in word for word in (*argv, *env.values())):
        words[:0] = ["NL=$(printf '\\n.')", "NL=${NL%.}"]
    return "; ".join(words).encode("utf-8", "surrogateescape")


def quote(word: str) -> str:
    return "'" + word.replace("'", "'\"'\"'").replace("\n", "'\"$NL\"'") + "'"


# -- what comes back ---------------------------------------------------------------------------------------------


class Said(NamedTuple):
    """A line of the agent: its word, and what follows."""

    word: str
    rest: str

    def values(self, count: int) -> list[str]:
        return self.rest.split(" ", count - 1)


class Hearing:
    """Tells output and the agent's own words apart, however the stream is cut."""

    def __init__(self, mark: bytes):
        self._mark = mark + b" "
        self._held = b""

    def feed(self, data: bytes) -> Iterator[bytes | Said]:
        held = self._held + data
        while (at := held.find(self._mark)) >= 0:
            end = held.find(b"\n", at)
            if at:
                yield held[:at]
            if end < 0:
                self._held = held[at:]
                return
            word, _, rest = held[at + len(self._mark) : end].decode("utf-8", "replace").partition(" ")
            yield Said(word, rest)
            held = held[end + 1 :]
        keep = next((n for n in range(len(self._mark) - 1, 0, -1) if held.endswith(self._mark[:n])), 0)
        if len(held) > keep:
            yield held[: len(held) - keep]
        self._held = held[len(held) - keep :]


_NO_REASON = (  # what ssh says besides, and what is none of the reasons why a host is not reached
    "ControlSocket ", "mux_client_", "muxclient: ", "Control socket ", "Warning: ", "** ", "debug", "Connection to ",
    "Shared connection to ",
)  # fmt: skip


def last_words(noise: bytes) -> str:
    """What a login shell said instead of obeying, for people."""
    lines = [line.strip() for line in noise.decode("utf-8", "replace").splitlines() if line.strip()]
    return f"; it says: {lines[-1][:200]}" if lines else ", and says nothing"


def why_unreached(host: str, errors: bytes, noise: bytes = b"") -> str:
    """What ssh said, in one line, and what to do about the cases that are common. `noise` is what the host said."""
    lines = [line.strip() for line in errors.decode("utf-8", "replace").splitlines() if line.strip()]
    reasons = [line for line in lines if not line.startswith(_NO_REASON)]
    heard = [line.strip() for line in noise.decode("utf-8", "replace").splitlines() if line.strip()]
    said = [*(lines or ["ssh said nothing"])[-1:], *heard[-1:], *reasons[-1:]][-1]
    whole = "\n".join(lines)
    if "REMOTE HOST IDENTIFICATION HAS CHANGED" in whole:
        known = re.search(
            r"host key for (\S+) has changed", whole, re.IGNORECASE
        )  # [ADDRESS]:PORT where it has one
        name = shell_quote([known[1]]) if known else "its address, as known_hosts has it"
        said = f"its host key has CHANGED; nothing was sent. Ask whoever runs it, then ssh-keygen -R {name}"
    elif "Host key verification failed" in whole or "host key is known" in whole:
        said = "its host key is not known; connect once by hand and compare the key, or add it to known_hosts"
    elif "is not trusted" in whole:  # as asyncssh says it
        said = (
            "its host key is not known, or has changed; nothing was sent. Compare it, connecting once by hand"
        )
    elif "Permission denied" in whole:
        said = f"{said}; nobody is asked for a password here: it needs a key or an agent"
    return f"{host} cannot be reached: {said}"


# -- asking without a keeper ------------------------------------------------------------------------------------


class Answer(NamedTuple):
    """What a host says of an attempt: `state` is ended, running, absent, lost, or unreached (`why`).

    `left` are processes that run of it there, for people; `rest` is what it printed, from the first byte, and not yet
    masked; `whole` that nothing of this lacks, else `more` bytes at least. It `ran` for so many µs.
    """

    state: str
    exit: int | None = None
    stopping: str | None = None
    left: tuple[str, ...] = ()
    rest: bytes = b""
    why: str = ""
    whole: bool = False
    more: int = 0
    ran: int | None = None

    @property
    def rests(self) -> bool:
        """Does nothing of it run any more? What was left behind by one that ended by itself is a service."""
        return self.state in ("ended", "lost", "absent") and not (self.stopping and self.left)


def hello(host: Host) -> str:
    """Why steps cannot be run on this host; empty where they can. Takes at most its connect_timeout and HELLO."""
    from runbooks.process import run_bounded

    mark = new_mark()
    given = script(f"hello-{mark[-8:].decode('ascii')}", mark) + b"bye\n"
    done = run_bounded([*argv(host), COMMAND], timeout=host.connect_timeout + HELLO, stdin=given)
    for one in every(Hearing(mark).feed(done.output)):
        return f"{host.name} lacks {one.rest}" if one.word == "lacks" else ""
    if done.timed_out and done.output:
        return f"{host.name} cannot be used: it did not run what we sent{last_words(done.output)}"
    return (
        f"{host.name} does not answer"
        if done.timed_out
        else why_unreached(host.name, done.errors, done.output)
    )


def answer(said: Said) -> Answer:
    if said.word == "ended":
        _, code, why = said.values(3)
        return Answer("ended", exit=int(code), stopping=None if why == "-" else why)
    _, _, why = said.rest.rpartition(" ")
    return Answer(said.word, stopping=why if said.word == "lost" and why not in ("-", "") else None)


def survivor(host: str, said: Said) -> Survivor:
    """A process over there; its pid and start are that machine's."""
    _, pid, start, state, name = (said.values(5) + [""] * 5)[:5]
    return Survivor(int(pid), int(start), f"{name.strip() or 'a process'} on {host}", state)


def every(said: Iterable[bytes | Said]) -> Iterator[Said]:
    return (one for one in said if isinstance(one, Said))
