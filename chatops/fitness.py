"""Can I act now? What this machine, the record, the configuration and the runbooks say to that, one line each.

Everything is looked at and nothing is changed. Each look is bounded: what does not answer is a lack with that name.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from typing import TYPE_CHECKING, Literal, NamedTuple

from incidents import clock
from incidents.errors import BadInput, HowdahError

if TYPE_CHECKING:
    from incidents.config import Config
    from incidents.people import People
    from incidents.store.protocol import Store
    from runbooks.document import Runbook

WITHIN = 10.0  # seconds for one look
AT_ONCE = 32  # hosts that are asked
NARROW = 80  # columns that the player wants
FULL_SOON = 10  # per cent free, below which a filesystem is at risk
LONG_OPEN = 12 * clock.HOUR

State = Literal["ok", "note", "lack"]


class Check(NamedTuple):
    """One thing that was looked at. `do` is the cure; a note is no lack."""

    name: str
    state: State
    says: str
    do: str = ""


class Machine(NamedTuple):
    """What is looked at: `store` is the record's file, whether it is there or not."""

    store: str
    config: Config
    config_path: str | None
    night: bool
    open_store: Callable[[], Store]


Look = Callable[[Machine], Iterator[Check]]


def examine(machine: Machine) -> list[Check]:
    """Every check, in the order in which they should be cured."""
    looks: list[tuple[str, Look]] = [
        ("record", record), ("filesystem", filesystem), ("work", work), ("runbooks", runbooks), ("people", people), ("hosts", hosts),
        ("sudo", sudo), ("keys", keys), ("tokens", tokens), ("pages", pages), ("clock", time), ("terminal", terminal), ("drills", drills),
    ]  # fmt: skip
    found: list[Check] = []
    pool = ThreadPoolExecutor(len(looks), thread_name_prefix="look")
    try:
        asked = [(name, pool.submit(lambda look=look: list(look(machine)))) for name, look in looks]  # type: ignore[misc]
        for name, answer in asked:
            try:
                found += answer.result(WITHIN)
            except Late:
                found.append(
                    Check(name, "lack", f"no answer within {WITHIN:.0f} s", "look at that filesystem")
                )
            except HowdahError as error:
                found.append(Check(name, "lack", error.message, error.hint or ""))
            except OSError as error:
                found.append(Check(name, "lack", f"{error.filename or name}: {error.strerror}"))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return found


# -- the record --------------------------------------------------------------------------------------------------


def record(machine: Machine) -> Iterator[Check]:
    """It opens, it takes an event, and its blocks for a full disk are there. Nothing is written into it."""
    from incidents.store import place, room

    if not os.path.exists(machine.store):
        folder = os.path.dirname(machine.store)
        able = os.access(folder if os.path.isdir(folder) else os.path.dirname(folder), os.W_OK)
        state: State = "note" if able else "lack"
        yield Check("record", state, f"there is none yet at {machine.store}", "howdah declare makes one")
        return
    store = machine.open_store()
    store.ready_for(64 << 10)
    if not os.access(machine.store, os.W_OK):
        yield Check(
            "record", "lack", f"{machine.store} cannot be written by you", "group, sudo, or --store FILE"
        )
        return
    head = store.head()
    yield Check("record", "ok", f"{machine.store}: {head.pos} events, can be written")
    if place.copies_on_write(os.path.realpath(machine.store)):
        yield Check(
            "record", "note", "its filesystem copies on write: when it is full only the ballast helps"
        )
    elif room.owned(machine.store + ".ballast") < room.BALLAST_BYTES:
        yield Check(
            "record",
            "note",
            "its ballast for a full disk is not there",
            "make room: it is taken back by itself",
        )
    if machine.night:
        from incidents import verify

        report = verify.verify(machine.store, repair=False, expect=None)
        if report.ok:
            yield Check("record", "ok", "it is whole: every digest, chain and blob")
        else:
            yield Check(
                "record", "lack", f"it is damaged: {report.findings[0]}", "howdah verify; restore a backup"
            )


def filesystem(machine: Machine) -> Iterator[Check]:
    """Is the record on the disk that is at risk?"""
    from incidents.store import place

    folder = machine.store
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    place.refuse_network(os.path.realpath(folder))
    status = os.statvfs(folder)
    percent = 100 * status.f_bavail // max(1, status.f_blocks)
    free = f"{status.f_bavail * status.f_frsize >> 20} MiB ({percent} %) free"
    mount = _mount(folder)
    if percent < FULL_SOON:
        yield Check("filesystem", "lack", f"the record is on {mount}, which is nearly full: {free}",
                    f"howdah run disk-full -i mount={mount}")  # fmt: skip
    elif mount == "/":
        yield Check(
            "filesystem",
            "note",
            f"the record is on the root filesystem: {free}",
            "one of its own survives its filling",
        )
    else:
        yield Check("filesystem", "ok", f"the record is on {mount}: {free}")


def _mount(path: str) -> str:
    path = os.path.realpath(path)
    while not os.path.ismount(path):
        path = os.path.dirname(path)
    return path


def work(machine: Machine) -> Iterator[Check]:
    """What is open, in doubt, or waits."""
    from runbooks import consent

    if not os.path.exists(machine.store):
        return
    store = machine.open_store()
    now = clock.wall()
    for row in store.incidents(status="open", mode="real"):
        if now - row.opened_at > LONG_OPEN:
            since = clock.words(now - row.opened_at)
            yield Check(
                "incidents",
                "note",
                f"{row.name} is open since {since}: {row.title}",
                f"howdah summary {row.name}",
            )
    for one in store.runs(open_only=True):
        run = consent.read_run(store, one.run)
        if run.doubts():
            yield Check(
                "runs", "lack", f"{run.id} is in doubt: {run.doubts()[0].path}", f"howdah attach {run.id}"
            )
        elif run.open_questions():
            yield Check(
                "runs", "note", f"{run.id} asks: {run.open_questions()[0].path}", f"howdah attach {run.id}"
            )


def hosts(machine: Machine) -> Iterator[Check]:
    """With --night: every host lets us in without a password, and has what steps need."""
    from runbooks.targets import ssh

    known = machine.config.hosts
    if not known:
        return
    if not machine.night:
        yield Check(
            "hosts", "note", f"{len(known)} in howdah.yaml, not asked", "howdah doctor --night asks them"
        )
        return
    pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="host")
    try:
        asked = [(name, pool.submit(ssh.hello, host)) for name, host in known.items()]
        late = clock.monotonic() + int(WITHIN * clock.SECOND * 0.9)
        good = 0
        for name, answer in asked:
            try:
                why = answer.result(max(0.0, (late - clock.monotonic()) / clock.SECOND))
            except Late:
                why = f"{name} did not answer in time"
            if why:
                yield Check("hosts", "lack", why, "ssh to it by hand")
            good += not why
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    if good:
        yield Check("hosts", "ok", f"{good} of {len(known)} let us in and have what steps need")


# -- what steps need ---------------------------------------------------------------------------------------------


def runbooks(machine: Machine) -> Iterator[Check]:
    """Every runbook has no mistake, and the programs that it names are here."""
    from runbooks import lint, loader, programs

    paths = loader.paths(beside=machine.config_path)
    fine = 0
    for name, path in paths.items():
        try:
            book = loader.load(path)
        except BadInput as error:
            yield Check(
                "runbooks",
                "lack",
                f"{name} has mistakes: {error.message.splitlines()[0]}",
                f"howdah runbook lint {name}",
            )
            continue
        errors = [one for one in lint.lint(book) if one.severity == "error"]
        if errors:
            yield Check("runbooks", "lack", f"{name}: {errors[0]}", f"howdah runbook lint {name}")
        missing = sorted(program for program in programs.named(book) if shutil.which(program) is None)
        if missing:
            yield Check("tools", "note", f"{name} uses what is not here: {', '.join(missing)}",
                        "install it where this runbook is to run")  # fmt: skip
        wanting = list(_who_may(book, machine.config.people))
        yield from (Check("runbooks", "note", f"{name}: {one}", "people: in howdah.yaml") for one in wanting)
        fine += not errors and not missing and not wanting
    yield Check("runbooks", "ok", f"{fine} of {len(paths)} are ready")


def _who_may(book: Runbook, people: People) -> Iterator[str]:
    """What `allow` and `approve` ask for and nobody can give."""
    if not people:
        return
    persons = [person for name in people.names() if (person := people.get(name)) is not None]
    known = people.words()
    asked = [
        *book.allow,
        *(word for step in book.walk() if step.approve is not None for word in step.approve.from_),
    ]
    for word in dict.fromkeys(word for word in asked if word not in known):
        yield f"{word!r} is no person and no role"
    for step in book.walk():
        if step.approve is None:
            continue
        wanted = step.approve.from_
        able = [one for one in persons if not wanted or one.is_one_of(wanted)]
        if len(able) < step.approve.people:
            yield f"{step.path} needs {step.approve.people} who approve, and {len(able)} may"


def sudo(machine: Machine) -> Iterator[Check]:
    """Steps get no terminal: sudo must ask nothing."""
    from runbooks.process import run_bounded

    if os.geteuid() == 0:
        yield Check("sudo", "ok", "you are root")
        return
    if shutil.which("sudo") is None:
        yield Check("sudo", "note", "there is no sudo: steps run as you")
        return
    done = run_bounded(["sudo", "-n", "true"], timeout=5 * clock.SECOND)
    if done.exit == 0:
        yield Check("sudo", "ok", "sudo asks nothing")
    else:
        yield Check(
            "sudo",
            "note",
            "sudo would ask for a password, and a step has no terminal",
            "NOPASSWD for what runbooks need",
        )


def keys(machine: Machine) -> Iterator[Check]:
    """ssh refuses a key that others can read, and a step cannot type its passphrase: an agent has to."""
    from runbooks.process import run_bounded

    if shutil.which("ssh") is None:
        return
    folder = os.path.expanduser("~/.ssh")
    try:
        names = [name for name in os.listdir(folder) if name.startswith("id_") and not name.endswith(".pub")]
    except OSError:
        names = []
    for name in sorted(names):
        path = os.path.join(folder, name)
        if os.stat(path).st_mode & 0o077:
            yield Check(
                "keys", "lack", f"{path} can be read by others, so ssh will not use it", f"chmod 600 {path}"
            )
    if os.environ.get("SSH_AUTH_SOCK") and shutil.which("ssh-add") is not None:
        done = run_bounded(["ssh-add", "-l"], timeout=5 * clock.SECOND)
        if done.exit == 0:
            yield Check("keys", "ok", f"the agent has {len(done.output.splitlines())}")
        else:
            yield Check("keys", "note", "the ssh agent has no key, or does not answer", "ssh-add")


# -- people and ways to reach them -------------------------------------------------------------------------------


def people(machine: Machine) -> Iterator[Check]:
    from chatops import permissions

    config = machine.config
    for sentence in permissions.doubtful(config):
        yield Check("permissions", "note", sentence, config.path or "")
    names = config.people.names()
    if not names:
        yield Check(
            "people",
            "note",
            "nobody is configured: everybody is who they say and may do everything",
            "howdah.yaml: people:",
        )
        return
    everyone = [person for name in names if (person := config.people.get(name)) is not None]
    lost = [person.name for person in everyone if not person.contacts and not person.accounts]
    if lost:
        yield Check(
            "people", "note", f"{', '.join(lost)}: no contact and no account", f"{config.path}: people:"
        )
    no_zone = [person.name for person in everyone if person.zone is None]
    if no_zone:
        yield Check(
            "people",
            "note",
            f"{', '.join(no_zone)}: no zone, so their nights are not known",
            f"{config.path}: people:",
        )
    yield Check("people", "ok", f"{len(names)} are configured")


def tokens(machine: Machine) -> Iterator[Check]:
    """Is the bot's token there and private? Whether Discord takes it is asked by `doctor discord`."""
    from chatops.surfaces.discord import settings

    if (
        not any(name.startswith("HOWDAH_DISCORD_TOKEN") for name in os.environ)
        and machine.config.discord.guild is None
    ):
        return
    try:
        settings.load(machine.config, os.environ)
    except HowdahError as error:
        yield Check("discord", "lack", error.message, error.hint or "")
    else:
        yield Check(
            "discord", "ok", "the bot's token is there and private", "howdah doctor discord asks Discord"
        )


def pages(machine: Machine) -> Iterator[Check]:
    """Would somebody be woken? Whether a channel works is known once it is used."""
    import importlib.util

    from chatops import timers
    from incidents.escalation import contacts

    config = machine.config
    paging = config.paging or contacts.Paging()
    if not config.escalation and not paging.channels:
        return
    if paging.channels and importlib.util.find_spec("apprise") is None:
        yield Check("pages", "lack", "apprise is not installed", "pip install 'howdah[paging]'")
    named = {
        step.name for policy in config.escalation.values() for step in policy.steps if step.what == "person"
    }
    deaf = [name for name in sorted(named) if not contacts.ways(config.people.get(name), paging)]
    if deaf:
        yield Check("pages", "lack", f"nothing reaches {', '.join(deaf)}", "people: `page: [CHANNEL]`")
    lock = timers.Lock(machine.store)
    taken = lock.taken()
    lock.close()
    if taken:
        yield Check("pages", "ok", "howdah serve sends what is due")
    else:
        yield Check("pages", "lack", "no process sends what is due", "howdah serve, as a service")


def time(machine: Machine) -> Iterator[Check]:
    """Is the clock kept right? (adjtimex(2): STA_UNSYNC)"""
    import ctypes

    buffer = ctypes.create_string_buffer(512)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.adjtimex(buffer) < 0:
        yield Check("clock", "note", "whether the clock is kept right cannot be asked here")
        return
    status = int.from_bytes(
        buffer.raw[40:44], "little"
    )  # modes, pad, offset, freq, maxerror, esterror, status
    if status & 0x40:
        yield Check(
            "clock",
            "note",
            "nobody keeps this clock right: times of the record may be off",
            "chrony or systemd-timesyncd",
        )
    else:
        yield Check("clock", "ok", f"is kept right; your zone is {clock.local_zone()}")


def terminal(machine: Machine) -> Iterator[Check]:
    import sys

    if not sys.stdout.isatty():
        return
    columns = shutil.get_terminal_size().columns
    if columns < NARROW:
        yield Check("terminal", "note", f"{columns} columns; the player shows more with {NARROW}")
    if (sys.stdout.encoding or "").lower().replace("-", "") != "utf8":
        yield Check(
            "terminal",
            "note",
            f"its encoding is {sys.stdout.encoding}; signs are shown as letters",
            "LC_ALL=C.UTF-8",
        )


def drills(machine: Machine) -> Iterator[Check]:
    from runbooks.drills import janitor

    left = janitor.dead()
    if left:
        yield Check(
            "drills",
            "note",
            f"{left} killed {'drill has' if left == 1 else 'drills have'} left something",
            "howdah drill cleanup",
        )
