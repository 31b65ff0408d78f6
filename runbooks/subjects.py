"""What a change is about, and a look at it: a file, a unit of systemd, a key of Redis.

A look is a small program that only reads, where the step runs: here, or over the step's own line to its machine. It is
bounded, and nothing waits for what it leaves behind.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator, Mapping, Sequence
from typing import Any, NamedTuple

from incidents import clock
from incidents.errors import BadInput
from runbooks import probes, using
from runbooks.document import Step, Uses
from runbooks.expressions import render_text
from runbooks.keeper import Order
from runbooks.probes import Probe, Seen

KEPT = 65_536  # bytes of a value that are compared line by line; a longer one by its digest
READ = 64 << 20  # bytes of a file that are read for its digest; of a longer one size and time are known
KERNELS = ("/proc/", "/sys/")  # whose files are values: a short one is told as it stands
SHORT = 80  # characters of a value that is
HERE, THERE = 2 * clock.SECOND, 5 * clock.SECOND  # what a look may take, on this machine and on another one
REDIS = 6 * clock.SECOND  # of which a python takes its start


class Subject(NamedTuple):
    """`kind` is file, unit or redis. `url` is where Redis is; it may hold a password, so it is never recorded."""

    kind: str
    name: str
    url: str = ""


class Look(NamedTuple):
    """What was found. `state` tells it in words, `raw` is the value where it is short, `mark` is the same for the same
    value, and empty where that cannot be said; `why` is why nothing, or not all, is known. With both, nothing of it can
    be read but what `mark` says."""

    state: str = ""
    mode: str = ""
    digest: str = ""
    raw: bytes | None = None
    mark: str = ""
    why: str = ""
    late: bool = False  # it did not end in its time


def of(step: Step, order: Order, names: Mapping[str, Any], revealed: Mapping[str, Any]) -> Subject | None:
    """What the step's `change` names, a file of this machine by its whole path; None where the engine cannot read it.
    Raises BadInput."""
    change = step.change
    if change is None or not change.subject:
        return None
    url = ""
    if change.subject == "redis":
        given = (
            step.run.given.get("url") if isinstance(step.run, Uses) and step.run.action == "redis" else None
        )
        url = str(using.filled(change.url or given or "", revealed))
    name = render_text(change.what, names)
    if change.subject == "file" and order.far is None:
        name = os.path.join(order.cwd, name)
    return Subject(change.subject, name, url)


Asks = Generator[Probe, Seen, Look]  # programs that look, one after the other, and what came of them


def look(wanted: Sequence[tuple[Subject, Order]]) -> list[Look]:
    """Reads them side by side, each in HERE, THERE or REDIS µs at most. Whatever goes wrong is the `why` of what comes
    back."""
    found: dict[int, Look] = {}
    asks = [
        _redis(subject) if subject.kind == "redis" else _asked(subject, order) for subject, order in wanted
    ]
    answers: dict[int, Seen | None] = dict.fromkeys(range(len(asks)))
    while answers:
        todo: list[tuple[int, Probe]] = []
        for number, seen in answers.items():
            try:
                todo.append((number, next(asks[number]) if seen is None else asks[number].send(seen)))
            except StopIteration as end:
                found[number] = end.value
            except (BadInput, OSError, ValueError) as problem:
                found[number] = Look(why=f"it could not be looked at: {problem}")
        until = clock.monotonic() + max((probe.timeout for _, probe in todo), default=0)
        answered = probes.look([probe for _, probe in todo], until=until)
        answers = {number: seen for (number, _), seen in zip(todo, answered, strict=True)}
    return [found[number] for number in range(len(asks))]


# -- by a shell, here or there -----------------------------------------------------------------------------------

# One line each, without quotes, backslashes and line ends: they go through any login shell. $1 is the name, its bytes
# as `printf %b` reads them, $2 what stands around the answer, so that nothing else that is printed is taken for it.
_ASK = 'p=$(printf %b. "$1"); p=${p%.}; export LC_ALL=C; exec 2>/dev/null; printf %s "$2"; '
_FILE = (
    _ASK + 's=$(stat -L -c "%F|%a|%U:%G|%s|%Y" -- "$p" 2>&1) || { printf "%s" "no|$s|$2"; exit 0; }; '
    'l=$(readlink -- "$p" | head -n 1); echo "ok|$s|$l"; case $s in "regular "*) ;; *) printf "%s" "$2"; exit 0;; esac; '
    "n=${s#*|*|*|}; n=${n%%|*}; "
    f'if [ "$n" -le {KEPT} ]; then head -c {KEPT + 1} <"$p"; elif [ "$n" -le {READ} ]; then sha256sum <"$p"; fi '
    '&& printf "%s" "$2"'
)
_UNIT = (
    _ASK
    + 'systemctl show -p LoadState -p ActiveState -p SubState -p UnitFileState -p InvocationID -- "$p" 2>&1 '
    '&& printf "%s" "$2"'
)
_SAFE = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-")
_ABSENT = ("No such file or directory", "Not a directory")


def _asked(subject: Subject, order: Order) -> Asks:
    name, script = subject.name, _FILE if subject.kind == "file" else _UNIT
    if "\0" in name:
        raise BadInput(f"a {subject.kind}'s name holds no NUL")
    mark = f"howdah:{os.urandom(12).hex()}:"
    word = "".join(chr(c) if c in _SAFE else f"\\0{c:03o}" for c in os.fsencode(name))
    if order.far is None:
        argv: tuple[str, ...] = ("/bin/sh", "-c", script, "howdah", word, mark)
        env, bound = {"PATH": order.env["PATH"]}, HERE
    else:
        line = f"exec /bin/sh -c '{script}' howdah '{word}' '{mark}'"
        argv, env, bound = (*order.far.argv, line), dict(os.environ), THERE
    seen = yield Probe(argv, env, bound)
    where = f" on {order.far.host}" if order.far is not None else ""
    if seen.unstarted:
        return Look(why=f"it could not be looked at: {seen.unstarted}")
    _, begun, answer = seen.output.partition(mark.encode())
    answer, ended, _ = answer.partition(mark.encode())
    if seen.timed_out:
        return Look(why=f"a look at it did not end within {clock.words(bound)}{where}", late=True)
    if not begun:
        return Look(
            why=f"{order.far.host} could not be asked" if order.far is not None else "no shell looked at it"
        )
    return _file(name, answer, bool(ended)) if subject.kind == "file" else _unit(answer, bool(ended))


def _file(name: str, answer: bytes, whole: bool) -> Look:
    if answer.startswith(b"no|"):
        said = answer[3:].rstrip(b"|").decode("utf-8", "replace").strip()
        if said.endswith(_ABSENT):
            return Look("not there", raw=b"", mark="absent")
        return Look(why=f"it could not be looked at: {said.rpartition(': ')[2] or 'stat failed'}")
    head, _, content = answer.partition(b"\n")
    _, kind, mode, owner, size, changed, link = head.decode("utf-8", "replace").split("|", 6)
    about = f"{mode.rjust(4, '0')} {owner}" + (f", a link to {link}" if link else "")
    if not kind.startswith("regular"):
        return Look(f"a {kind}", about, mark=f"{kind} {about}", why=f"it is a {kind}, no regular file")
    told = f"{int(size):,} byte{'s' if int(size) != 1 else ''}"
    if not whole:
        return Look(told, about, why="its content could not be read")
    if int(size) > READ:
        return Look(told, about, mark=f"{size} {changed} {about}")
    if int(size) > KEPT:
        digest = content[:64].decode("ascii", "replace")
        return Look(told, about, digest, mark=f"{digest} {about}")
    if len(content) > KEPT:
        return Look(f"more than {KEPT:,} bytes", about, why="it grew while it was looked at")
    if name.startswith(KERNELS) and (value := _value(content)):
        return Look(value, about, mark=f"={value} {about}")
    digest = hashlib.sha256(content).hexdigest()
    told = f"{len(content):,} byte{'s' if len(content) != 1 else ''}"
    return Look(told, about, digest, content, mark=f"{digest} {about}")


def _value(content: bytes) -> str:
    """Where it is one short line: that; else nothing."""
    text = content.decode("utf-8", "replace").removesuffix("\n").strip()
    return text if len(text) <= SHORT and text.isprintable() else ""


def _unit(answer: bytes, whole: bool) -> Look:
    text = answer.decode("utf-8", "replace")
    facts = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    if not whole or "ActiveState" not in facts:
        said = next(
            (line for line in reversed(text.splitlines()) if line.strip()), "systemctl does not answer"
        )
        return Look(why=f"it could not be looked at: {said.strip()[:200]}")
    if facts.get("LoadState") == "not-found":
        return Look("not there", mark="absent")
    told = f"{facts['ActiveState']} ({facts.get('SubState', '')})"
    told += f", {facts['UnitFileState']}" if facts.get("UnitFileState") else ""
    return Look(told, mark=f"{told} {facts.get('InvocationID', '')}")


# -- by the action redis, here -----------------------------------------------------------------------------------

_SIZES = {"list": "LLEN", "hash": "HLEN", "set": "SCARD", "zset": "ZCARD", "stream": "XLEN"}


def _redis(subject: Subject) -> Asks:
    until = clock.monotonic() + REDIS
    kind = yield from _reply(subject, ("TYPE", subject.name), until)
    if isinstance(kind, Look):
        return kind
    if kind == "none":
        return Look("not there", raw=b"", mark="absent")
    if kind not in _SIZES and kind != "string":
        return Look(f"a {kind}")
    command = ("GETRANGE", subject.name, "0", str(KEPT)) if kind == "string" else (_SIZES[kind], subject.name)
    value = yield from _reply(subject, command, until)
    if isinstance(value, Look):
        return value
    if kind != "string":  # other entries may be as many
        return Look(f"a {kind} of {value}", mark="" if value else "empty")
    text = "" if value is None else str(value)
    if len(text) > KEPT:
        return Look(f"more than {KEPT:,} bytes")
    if len(text) <= SHORT and text.isprintable():
        return Look(repr(text), mark=f"={text}")
    digest, raw = hashlib.sha256(text.encode()).hexdigest(), text.encode() if "\n" in text else None
    return Look(f"{len(text):,} characters", digest=digest, raw=raw, mark=digest)


def _reply(subject: Subject, command: tuple[str, ...], until: int) -> Generator[Probe, Seen, Any]:
    """What Redis replies, or a Look that says why it did not."""
    from runbooks import exact

    given: dict[str, Any] = {"command": list(command), "timeout": HERE}
    if subject.url:
        given["url"] = subject.url
    argv = Uses("redis", {}, None).argv  # type: ignore[arg-type]  # nothing of it is rendered
    env = {**os.environ, **using.environment(given)}
    seen = yield Probe(argv, env, max(0, until - clock.monotonic()))
    if seen.timed_out:
        return Look(why=f"Redis did not answer within {clock.words(REDIS)}", late=True)
    lines = seen.output.decode("utf-8", "replace").splitlines() or [seen.unstarted]
    if seen.exit != 0:
        return Look(why="Redis could not be asked")  # what it says may hold the url, and that a password
    return exact.from_json(lines[-1])["reply"]
