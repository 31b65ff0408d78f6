"""One command by hand, on the record."""

from __future__ import annotations

from typing import TextIO

from chatops import params
from chatops.vocabulary import Call, Param, Reply, command

EFFECTS = ("read", "idempotent", "unsafe")


def _word(value: str, call: Call) -> str:
    return value


def _refuse_input(stdin: TextIO) -> None:
    """Raises BadInput where something is piped in; a pipe that nobody has written to, as of ssh or cron, is nothing."""
    import fcntl
    import os
    import stat
    import struct
    import termios

    from incidents.errors import BadInput

    try:
        fd = stdin.fileno()
        about = os.fstat(fd)
        if stat.S_ISREG(about.st_mode):
            waiting = about.st_size - os.lseek(fd, 0, os.SEEK_CUR)
        elif stat.S_ISFIFO(about.st_mode) or stat.S_ISSOCK(about.st_mode):
            (waiting,) = struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"\0" * 4))
        else:
            return
    except (OSError, ValueError):  # closed, or no file at all
        return
    if waiting > 0:
        raise BadInput(
            "the command gets no standard input, and something is piped to it",
            hint="put it in a file and name that file, or end the line with </dev/null",
        )


@command(
    "do",
    "Run one command as a run of one step: journal, output, who, and why.",
    Param("argv", "text", "The command, after --: a program and its arguments. No shell sees them.", _word,
          place=True, required=True, repeat=True, metavar="CMD"),
    params.text("note", "Why; it names the step.", short="m"),
    params.text("undo", "The command that takes it back, as one text: `howdah undo RUN` runs it."),
    params.choice("effect", "read, idempotent, or unsafe (it must not happen twice), which it is unless given.", EFFECTS),
    params.duration("timeout", "How long it may take: 90s, 5m. An unsafe command without one is never killed."),
    params.text("on", "A host or a role of howdah.yaml to run it on, instead of this machine.", repeat=True),
    params.path("file", "The file that it changes: howdah reads it before and after."),
    params.text("unit", "The unit of systemd that it changes: howdah reads its state before and after."),
    params.text("what", "Anything else that it changes, in words."),
    params.text("old", "The old value of that."),
    params.text("new", "The new value."),
    params.incident(),
    params.flag("drill", "An exercise: it pages nobody and stays out of the figures."),
    group="run",
    streams=True,
    surfaces=("terminal",),
    because="nothing that is typed in a chat becomes a command of a machine",
    details="The command gets no terminal and no standard input. Its words are recorded as they are: a password in them "
    "stays in the record. Ends with 1 where the command failed, with 3 where nobody knows whether it happened.",
)  # fmt: skip
def do(call: Call, argv: tuple[str, ...], note: str | None, undo: str | None, effect: str | None,
       timeout: int | None, incident: str | None, drill: bool, on: tuple[str, ...],
       file: str | None, unit: str | None, what: str | None, old: str | None, new: str | None) -> Reply:  # fmt: skip
    from chatops import launching
    from incidents import ids
    from incidents.errors import BadInput
    from runbooks import adhoc, loader, orders, starting

    if call.terminal is not None:
        _refuse_input(call.terminal.stdin)
    if (old is not None or new is not None) and what is None:
        raise BadInput(
            "--old and --new need --what: which file, unit or key?", hint="--what /etc/app.conf:pool"
        )
    reads = [(kind, name) for kind, name in (("file", file), ("unit", unit)) if name is not None]
    if len(reads) + (what is not None) > 1:
        raise BadInput("--file, --unit and --what exclude each other", hint="name one of them")
    text = adhoc.text(
        argv, note=note or "", undo=adhoc.split(undo) if undo else (), effect=effect or "",
        timeout=f"{timeout // 1000}ms" if timeout is not None else "",
        change=(what, old or "", new or "") if what is not None else None, reads=reads[0] if reads else None, on=on,
    )  # fmt: skip
    key = call.places.key
    start = starting.prepare(
        loader.loads(text, orders.BY_HAND), given={}, store=call.places.store,
        incident=incident or launching.choose_incident(call, drill), actor=call.actor, zone=call.zone,
        attended=call.attended and not call.json, mode="drill" if drill else "real",
        run=ids.run_name_of(key) if key else None, hosts=call.config.hosts,
    )  # fmt: skip
    return launching.fork(call, start, detach=True)
