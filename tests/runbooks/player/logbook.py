"""A hand-written log of a run: events at fixed instants on a machine called db1, and frames kept as files."""

from __future__ import annotations

import io
import os
from typing import Any

from rich.console import Console
from rich.text import Text

from incidents import clock
from incidents.events import Actor, Event
from runbooks import consent, journal
from runbooks.document import Runbook
from runbooks.loader import loads

BEGIN = clock.parse_iso("2022-12-13T18:53:00Z")
CASES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "cases", "player")
NOVA = Actor("human", "nova")
DRIVER = Actor("system", "driver", on_behalf_of="nova")

RUNBOOK = """
name: disk-full
inputs:
  mount: {type: path, default: /var/lib/pg data}
steps:
  - id: before
    name: Measure the disk
    effect: read
    run: [df, -B1, --output=avail, --, "${{ inputs.mount }}"]
    outputs: {avail: {regex: '([0-9]+)', type: bytes}}
  - id: rotate
    name: Rotate the logs
    effect: idempotent
    run: logrotate -f /etc/logrotate.d/app
    retry: {max: 2, delay: 5s}
  - id: room
    name: Make room
    block:
      - id: grow
        name: Grow the volume
        confirm: Grow the data volume by 20 GiB? It cannot be shrunk again.
        run: |
          lvextend -L 120G /dev/vg0/data   # never smaller again
          echo grown
        outputs: {size: {lines: true}}
        timeout: 1m
      - id: fs
        name: Grow the filesystem
        effect: idempotent
        run: [resize2fs, /dev/vg0/data]
    rescue:
      - id: tell
        name: Tell the channel
        effect: idempotent
        run: [echo, failed]
  - id: look
    name: Look at the graphs
    manual: Is the disk graph flat for five minutes? Tell the channel.
always:
  - id: after
    name: Measure again
    effect: read
    run: [df, -B1]
"""


def runbook(text: str = RUNBOOK) -> Runbook:
    return loads(text, "disk-full.yaml")


class Logbook:
    """Writes events of run-abcdef in inc-7; the clock stands still between them but for `wait`."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.at = BEGIN
        self.run = journal.Run("run-abcdef", "inc-7")
        self._n = 0

    @property
    def now(self) -> clock.Reading:
        return clock.Reading(self.at, "boot-1", self.at - BEGIN)

    def wait(self, micros: int) -> None:
        self.at += micros

    def write(self, kind: str, *, actor: Actor = DRIVER, run: str | None = "run-abcdef", step: str | None = None,
              body: str = "", mode: str = "real", redacted: bool = False, **data: Any) -> Event:  # fmt: skip
        seq = len(self.events) + 1
        event = Event(
            id=f"id-{seq}", stream="inc-7", seq=seq, pos=seq, kind=kind, v=1, at=self.at, until=None,
            recorded_at=self.at, boot="boot-1", mono=self.at - BEGIN, host="db1", zone="UTC", precision="us",
            actor=actor, source=None, key=f"key-{seq}", cause=None, run=run, step=step, item=None,
            visibility="responders", importance="normal", milestone=None, mode=mode, body=body, data=data,
            evidence=(), prev="0" * 64, hash="1" * 64, redacted=redacted,
        )  # fmt: skip
        self.events.append(event)
        if run == self.run.id:
            journal.apply(self.run, event, clock.Reading(event.at, event.boot, event.mono))
            self.run.last_seq = seq
        return event

    def begin(self, **changes: Any) -> None:
        started: dict[str, Any] = {
            "runbook": "disk-full", "digest": "d", "file": "disk-full.yaml", "inputs": {"mount": "/var/lib/pg data"},
            "secrets": {"password": "env:PGPASSWORD"}, "locks": ["disk:/var/lib/pg data"], "journal": 1, "cwd": "/root",
            "umask": 18, "path": "/usr/bin:/bin",
        }  # fmt: skip
        self.write("run.started", actor=NOVA, **(started | changes))

    def start(
        self, path: str, name: str, *, part: str = "run", attempt: int = 1, effect: str = "read", **data: Any
    ) -> int:
        self._n += 1
        self.write(
            "step.started",
            step=path,
            path=path,
            name=name,
            n=self._n,
            attempt=attempt,
            effect=effect,
            part=part,
            **data,
        )
        return self._n

    def end(
        self, path: str, n: int | None, status: str = "ok", *, took: int | None = clock.SECOND, **data: Any
    ) -> None:
        if took is not None:
            self.wait(took)
        self.write("step.ended", step=path, path=path, status=status, n=n, took=took, **data)

    def did(self, path: str, name: str, **ended: Any) -> None:
        self.end(path, self.start(path, name, argv=["true"]), exit=0, **ended)

    def ask(self, path: str, what: str, **shows: Any) -> journal.Question:
        data = consent.asked(self.run, path, what, shows)
        self.write("question.asked", step=path, **data)
        return self.run.questions[data["question"]]

    def park(self) -> None:
        self.write("run.parked", questions=[q.id for q in self.run.open_questions()])

    def answer(self, question: journal.Question, word: str, *, actor: Actor = NOVA, **data: Any) -> None:
        self.write(
            "question.answered", actor=actor, step=question.path, question=question.id, path=question.path, answer=word,
            **data,
        )  # fmt: skip


GROW = {
    "name": "Grow the volume",
    "effect": "unsafe",
    "undo": False,
    "script": "lvextend -L 120G /dev/vg0/data   # never smaller again\necho grown\n",
    "env": {"REGION": "eu west"},
}


def up_to_the_question() -> tuple[Logbook, journal.Question]:
    """Two steps are done, one of them at the second attempt, and the volume wants a confirmation."""
    log = Logbook()
    log.begin()
    log.did("before", "Measure the disk", outputs={"avail": 1073741824})
    n = log.start(
        "rotate", "Rotate the logs", effect="idempotent", script="logrotate -f /etc/logrotate.d/app"
    )
    log.end(
        "rotate",
        n,
        "again",
        exit=1,
        why="exit 1",
        tail='error: \x1b[31mskipping\x1b[0m "/var/log/app"\n',
        final=False,
    )
    log.wait(5 * clock.SECOND)
    n = log.start(
        "rotate",
        "Rotate the logs",
        effect="idempotent",
        attempt=2,
        script="logrotate -f /etc/logrotate.d/app",
    )
    log.end("rotate", n, exit=0, took=90 * clock.SECOND)
    log.write("note", actor=Actor("human", "sol"), run=None, body="the graph falls")
    text = "Grow the data volume by 20 GiB? It cannot be shrunk again."
    question = log.ask("room/grow", "confirm", text=text, **GROW)
    log.park()
    return log, question


def up_to_the_doubt(*, running: str = "") -> tuple[Logbook, journal.Question]:
    """The volume was being grown when its program was killed; verify could not say whether it happened."""
    log, question = up_to_the_question()
    log.wait(30 * clock.SECOND)
    log.answer(question, "yes")
    n = log.start("room/grow", "Grow the volume", effect="unsafe", script=GROW["script"], env=GROW["env"])
    tail = "".join(f"extent {i} moved\n" for i in range(1, 31)) + "\x1b]0;gone\x07half way\r\n"
    log.end(
        "room/grow",
        n,
        "in_doubt",
        exit=None,
        signal=9,
        why="killed by signal 9",
        tail=tail,
        took=12 * clock.SECOND,
    )
    shows = {**GROW, "why": "killed by signal 9", "tail": tail, "running": running, "attempt": 1}
    shows["verify"] = "verify does not know: exit 5"
    asked = log.ask("room/grow", "doubt", **shows)
    log.park()
    return log, asked


def frame(lines: list[Text], width: int) -> str:
    """The lines as a terminal of that width without colours shows them."""
    console = Console(width=width, record=True, force_terminal=False, color_system=None, file=io.StringIO())
    for line in lines:
        console.print(
            line, no_wrap=True, overflow="ellipsis", crop=True, highlight=False, emoji=False, markup=False
        )
    return "\n".join(line.rstrip() for line in console.export_text().rstrip("\n").split("\n")) + "\n"


def golden(name: str, shown: str) -> None:
    """Compares with tests/cases/player/NAME; HOWDAH_TEST_GOLDEN=write writes what is new or changed."""
    path = os.path.join(CASES, name)
    if os.environ.get("HOWDAH_TEST_GOLDEN") == "write":
        with open(path, "w", encoding="utf-8") as file:
            file.write(shown)
    with open(path, encoding="utf-8") as file:
        assert shown == file.read()
