"""The record itself: is it whole, keep a copy, put a copy back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatops import params
from chatops.views import Card, Field, Text
from chatops.vocabulary import Call, Reply, command

if TYPE_CHECKING:
    from incidents.transfer import BackupInfo

TERMINAL = ("terminal", "room")
BECAUSE = "it works on files of the machine that holds the record"


@command(
    "verify",
    "Check that the record is whole: chains, digests, evidence, head.",
    params.text("expect", "A head that was seen earlier, POS:HASH, as resolve and the postmortem print it."),
    params.flag("repair", "Make derived rows again and finish redactions; damage stays as it is."),
    group="record",
    permission="read",
    writes=False,
    surfaces=TERMINAL,
    because=BECAUSE,
    details="It finds accident and careless editing. Against someone who rewrites the file and its head only a "
    "head that was kept elsewhere helps: --expect. Exit 1 where something is wrong.",
)
def verify(call: Call, expect: str | None, repair: bool) -> Reply:
    from incidents import verify
    from incidents.store import default_path

    path = call.places.store or default_path()
    report = verify.verify(path, repair=repair, expect=expect)
    head = f"{report.head.pos}:{report.head.hash}"
    fields = [
        Field("holds", (f"{_count(report.events, 'event')} in {_count(report.streams, 'stream')}",)),
        *([Field("redacted", (_count(report.redacted, "event"),))] if report.redacted else []),
        *([Field("evidence", (_count(report.blobs, "blob"),))] if report.blobs else []),
        Field("head", (head,)),
        *([Field("found", tuple(map(str, report.findings)), "bad")] if report.findings else []),
    ]
    state = "whole" if not report.findings else "whole again" if report.ok else "DAMAGED"
    card = Card(path, tuple(fields), state=state, tone="good" if report.ok else "bad")
    document = {
        "store": path,
        "whole": report.ok,
        "events": report.events,
        "streams": report.streams,
        "redacted": report.redacted,
        "blobs": report.blobs,
        "head": head,
        "findings": [finding._asdict() for finding in report.findings],
        "unnamed_blobs": list(report.unnamed),
    }
    return Reply(card, {"verify": document}, exit=0 if report.ok else 1)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")


@command(
    "backup",
    "Copy the record into a new file, online, and verify the copy.",
    params.path("file", "The new file; evidence and run output go beside it.", place=True, required=True),
    group="record",
    permission="keep",
    writes=False,
    surfaces=TERMINAL,
    because=BECAUSE,
    details="A copy of the store's file with cp is no backup: what its log holds is missing, or torn. What is "
    "redacted later stays in a backup; redact lists them.",
)
def backup(call: Call, file: str) -> Reply:
    from incidents import transfer
    from incidents.store import default_path

    return _copied("backed up into", transfer.backup(call.places.store or default_path(), file), "backup")


@command(
    "restore",
    "Make a store from a backup; nothing is ever overwritten.",
    params.path("file", "The backup.", place=True, required=True),
    group="record",
    permission="keep",
    writes=False,
    surfaces=TERMINAL,
    because=BECAUSE,
    details="Into --store, else the usual place. A store that is there already is never touched: move it away first.",
)
def restore(call: Call, file: str) -> Reply:
    from incidents import transfer

    return _copied("restored into", transfer.restore(file, call.places.store), "restore")


def _copied(what: str, info: BackupInfo, name: str) -> Reply:
    head = f"{info.head.pos}:{info.head.hash}"
    text = f"{what} {info.path}: {_count(info.events, 'event')}, {info.bytes:,} bytes, verified\nhead {head}"
    document = {
        "file": info.path,
        "events": info.events,
        "blobs": info.blobs,
        "bytes": info.bytes,
        "head": head,
    }
    return Reply(Text(text), {name: document})


@command(
    "store stats",
    "How large the record is, what is in it, and how fast it grows.",
    group="record",
    permission="read",
    writes=False,
    surfaces=TERMINAL,
    because=BECAUSE,
)
def stats(call: Call) -> Reply:
    import os

    from chatops import cards
    from incidents import clock
    from incidents.store import place, room

    store = call.store
    path = store.path
    incidents, runs = store.incidents(limit=1_000_000), store.runs()
    blobs = [_size(store.blob_path(name)) for name in store.blob_names()]
    parts = {
        "database": _size(path),
        "log": _size(path + "-wal"),
        "ballast": room.owned(path + ".ballast"),
        "evidence": sum(blobs),
        "runs": _below(store.runs_dir),
    }
    status = os.statvfs(os.path.dirname(path))
    kind, mount = place.mounted_at(path)
    free = status.f_bavail * status.f_frsize
    oldest = min((row.opened_at for row in incidents), default=None)
    days = max(1, (call.now - oldest) // clock.DAY) if oldest is not None else 0
    growth = (parts["database"] + parts["evidence"]) // days if days else 0
    head = store.head()
    fields = [
        Field(
            "holds",
            (
                f"{_count(head.pos, 'event')}, {_count(len(incidents), 'incident')}, {_count(len(runs), 'run')}",
            ),
        ),
        Field(
            "since",
            (cards.short_moment(oldest, call.zone, call.now) if oldest is not None else "nothing yet",),
        ),
        *(
            Field(name, (_bytes(size) + (f" in {_count(len(blobs), 'blob')}" if name == "evidence" else ""),))
            for name, size in parts.items()
        ),
        Field("grows", (f"{_bytes(growth)} a day, over {_count(days, 'day')}",)),
        Field("free", (f"{_bytes(free)} on {mount} ({kind})",)),
    ]
    document = {
        "store": path, "events": head.pos, "incidents": len(incidents), "runs": len(runs), "blobs": len(blobs),
        "bytes": parts, "free": free, "grows": growth,
        "oldest_at": clock.iso(oldest) if oldest is not None else None,
    }  # fmt: skip
    return Reply(Card(path, tuple(fields)), {"stats": document})


def _size(path: str) -> int:
    import os

    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _below(folder: str) -> int:
    import os

    return sum(_size(os.path.join(at, name)) for at, _, names in os.walk(folder) for name in names)


def _bytes(size: int) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 10_240 or unit == "GiB":
            return f"{size:,} {unit}"
        size //= 1024
    return ""


@command(
    "store prune",
    "Destroy old evidence: what steps printed, files that were attached. Events and runbook texts stay.",
    params.duration("older_than", "Of incidents that ended so long ago: 90d.", required=True),
    params.flag("drills", "Of drills alone."),
    params.flag("dry_run", "Say what would go."),
    params.flag("yes", "Do not ask."),
    group="record",
    permission="keep",
    surfaces=TERMINAL,
    because=BECAUSE,
    details="The record says what was destroyed, and verify accepts it. It cannot be undone; backups keep what they have.",
)
def prune(call: Call, older_than: int, drills: bool, dry_run: bool, yes: bool) -> Reply:
    from chatops.views import Choice, Option
    from incidents import retention
    from incidents.errors import Refused

    what = retention.old(call.store, call.now - older_than, drills_only=drills)
    told = f"{_count(len(what.blobs), 'blob')} of {_count(what.incidents, 'incident')}, {_bytes(what.bytes)}"
    document = {
        "blobs": len(what.blobs),
        "bytes": what.bytes,
        "incidents": what.incidents,
        "destroyed": False,
    }
    if dry_run or not what.blobs:
        return Reply(f"would go: {told}" if what.blobs else "nothing is old enough", {"prune": document})
    if not yes:
        options = (Option("yes", "destroy them"), Option("no", "keep everything"))
        answer = call.choose(Choice(f"Destroy {told}? It cannot be undone.", options, "answer"))
        if answer != "yes":
            raise Refused(
                f"nothing was destroyed ({told})",
                hint="--yes does without the question, --dry-run only looks",
            )
    retention.drop(
        call.store, what, lambda data: call.draft(retention.STREAM, "evidence.expired", data=data, key=None)
    )
    return Reply(f"destroyed: {told}", {"prune": {**document, "destroyed": True}}, public=True)
