"""The observer: it hears every acknowledgement of the service as it comes, and reads back in the end what the server has.

    python -m runbooks.drills.nfs_stall.observer SPEC

It is a process of its own on this machine, outside of the guest, and never touches the mount: acknowledgements come over a
session of ssh from a file in the client's memory, the lines from the server's own disk. It never reads howdah's record.
SPEC is a file with one JSON object (`Spec`). When `spec.stop` appears it listens for `hold` µs more, and writes the score.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import select
import signal
from collections import Counter
from collections.abc import Mapping

from incidents import clock
from incidents.errors import Failed
from runbooks.drills import watching
from runbooks.drills.nfs_stall import score
from runbooks.drills.nfs_stall.score import Seen
from runbooks.process import run_bounded, spawn_apart

LONGEST = clock.HOUR  # an observer that nobody stops ends by itself
EVERY = 0.05  # seconds
HOLD = 5 * clock.SECOND  # at least so long it must stay well: longer than what counts as a stall
READ_WITHIN = 60 * clock.SECOND
ACK = re.compile(r"([0-9]+ [0-9a-f]{24})")


@dataclasses.dataclass(frozen=True, slots=True)
class Spec:
    """What to listen to. Paths of the guest but for the last three."""

    ssh: str  # the program that reaches `lab-client` and `lab-server`
    acks: str
    mount: str
    data: str
    exports: Mapping[str, str]  # what the client may have mounted -> the folder on the server
    hold: int  # µs
    samples: str
    stop: str  # a file with what the harness knows: {"detected_at", "broken_at", "holds"}
    score: str


class Acks:
    """The acknowledgements, as they come: (instant, line) in order, and how often the service was refused."""

    def __init__(self, spec: Spec):
        self.acks: list[tuple[int, str]] = []
        self.refusals = 0
        self.rest = b""
        self.pipe, out = os.pipe2(os.O_CLOEXEC)
        null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        follow = f"exec tail -c +1 -s 0.1 -f -- {spec.acks}"
        self.pid = spawn_apart(
            [spec.ssh, "-o", "ControlPath=none", "lab-client", follow], dict(os.environ), null=null, out=out
        )
        os.close(out)
        os.close(null)

    def listen(self) -> bool:
        """Takes in what comes within a moment; False when the line is broken."""
        if not select.select([self.pipe], [], [], EVERY)[0]:
            return True
        data = os.read(self.pipe, 1 << 16)
        now = clock.monotonic()
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            text = line.decode("ascii", "replace")
            if ACK.fullmatch(text):
                self.acks.append((now, text))
            elif text.startswith("!"):
                self.refusals += 1
        return bool(data)

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def watch(spec: Spec) -> score.Score:
    """Listens until it is stopped and the hold is over; returns the score."""
    acks = Acks(spec)
    service = _ask(
        spec, "client", "cat /run/lab/service.pid; cut -d' ' -f22 /proc/$(</run/lab/service.pid)/stat"
    )
    ends = clock.monotonic() + LONGEST
    held_from: int | None = None
    told = 0
    with open(spec.samples, "w", encoding="ascii", buffering=1) as out:
        while clock.monotonic() < ends:
            if not acks.listen():
                raise Failed("the acknowledgements do not come any more: the guest has ended")
            now = clock.monotonic()
            if now - told > 100_000:
                last = acks.acks[-1][0] if acks.acks else 0
                out.write(json.dumps([now, len(acks.acks), acks.refusals, now - last]) + "\n")
                told = now
            if held_from is None and os.path.exists(spec.stop):
                held_from = now
                ends = now + max(spec.hold, HOLD)
    with open(spec.stop, encoding="ascii") as file:
        known = json.load(file)
    acks.close()
    heard = list(acks.acks)
    return score.score(
        heard, look_back(spec, heard, service), score.Told(**known), refusals=acks.refusals, held_from=held_from or ends,
        ended_at=ends,
    )  # fmt: skip


def look_back(spec: Spec, acks: list[tuple[int, str]], service: str) -> Seen:
    """What the server that the client has mounted by now shows of the lines."""
    found = _ask(
        spec, "client", "cat /run/lab/service.pid; cut -d' ' -f22 /proc/$(</run/lab/service.pid)/stat || true"
    )
    table = _ask(spec, "client", "cat /proc/self/mountinfo")
    source = ""
    for line in table.splitlines():
        words = line.split(" ")
        if words[4].encode().decode("unicode_escape") == spec.mount:
            source = words[words.index("-") + 2]
    folder = spec.exports.get(source)
    lines: Counter[str] = Counter()
    if folder is not None:
        text = _ask(spec, "server", f"cat -- '{folder}/{spec.data}/'segment-* 2>/dev/null || true")
        lines.update(text.splitlines())
    wanted = {line for _, line in acks}
    others = sum(line not in wanted for line in lines)
    return Seen({line: lines[line] for line in wanted}, others, found == service, source)


def _ask(spec: Spec, host: str, script: str) -> str:
    done = run_bounded(
        [spec.ssh, f"lab-{host}", "bash -s"], timeout=READ_WITHIN, stdin=script.encode(), limit=16 << 20
    )
    if done.exit != 0:
        said = (done.errors or done.output).decode("utf-8", "replace").strip()
        raise Failed(f"{host}: {said or ('no answer in time' if done.timed_out else f'exit {done.exit}')}")
    return done.output.decode("utf-8", "replace")


if __name__ == "__main__":
    watching.observe(Spec, watch)
