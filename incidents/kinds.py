"""What can happen: every kind of event and the data it carries.

One NamedTuple a kind; a field with a default may be left out. Values are what canonical JSON can hold: strings,
integers, booleans, None, lists and objects of these; durations are integer µs, ratios strings. Kinds that begin
with `x.` belong to whoever writes them and are not checked. A new field needs a default; another meaning needs
another `v` in VERSIONS. One file, however long: every command loads all of it, and one file a noun took 1.4 ms more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from incidents.errors import BadInput

Strings = list[str]
Object = dict[str, Any]


# -- the incident ------------------------------------------------------------------------------------------


class IncidentDeclared(NamedTuple):
    title: str
    severity: str
    by_run: str | None = None  # the run that declared it by itself; it then closes with that run
    page_real: bool = False  # a drill that may wake people


class IncidentSeverity(NamedTuple):
    severity: str


class IncidentStatus(NamedTuple):
    status: str


class IncidentMitigated(NamedTuple):
    pass


class IncidentResolved(NamedTuple):
    by_run: str | None = None


class IncidentReopened(NamedTuple):
    pass


class IncidentCancelled(NamedTuple):
    pass


ABOUT = ("summary", "impact", "cause", "well", "badly", "luck", "surprise")  # chapters of a postmortem


class Note(NamedTuple):
    """`about`: the chapter of the postmortem that it belongs to, one of ABOUT; empty for a line of the timeline."""

    about: str = ""


class Update(NamedTuple):
    """A word to the people outside the response; `body` is the text. `next`: µs until the next one, as promised in it."""

    next: int | None = None


class ReminderDue(NamedTuple):
    """Something is owed since `due` (µs), and `person` was reminded for the `number`th time, from 0. Of a swap `name` is
    its own, `person` who offered it, `people` who could take it."""

    what: str  # update, swap
    due: int
    number: int
    person: str = ""
    name: str = ""
    people: Strings = []  # noqa: RUF012 - a NamedTuple default is never mutated


class ReminderSnoozed(NamedTuple):
    """No reminders before `until` (µs)."""

    what: str
    until: int


class ReminderStopped(NamedTuple):
    what: str


class ReminderStarted(NamedTuple):
    what: str


class RoleAssigned(NamedTuple):
    role: str
    person: str


class RoleReleased(NamedTuple):
    role: str
    person: str


class TaskAdded(NamedTuple):
    task: int
    owner: str | None = None


class TaskAssigned(NamedTuple):
    task: int
    owner: str


class TaskDone(NamedTuple):
    task: int


class TaskDropped(NamedTuple):
    task: int


# -- pages: of one incident, each named by the number of its first event ---------------------------------------


class PageStarted(NamedTuple):
    """Somebody is to be woken. `target` is what was asked for, `policy` what the page goes by to its end; the text is
    the `body`. `auto`: the incident's severity began it."""

    target: str
    policy: Object
    auto: bool = False


class PageFired(NamedTuple):
    """A step fired, the `n`th from 0 over all passes, and meant `people`; nobody: `why`. The next is due `wait` µs after."""

    page: int
    n: int
    step: int  # its place in the policy, from 1
    round: int  # the pass, from 1
    target: str
    people: Strings
    wait: int
    due: int  # `wait` later by the wall clock; within this boot the monotonic one decides
    why: str = ""


class PageSending(NamedTuple):
    """The intent: written before the act. `repeated`: an earlier attempt may have arrived."""

    page: int
    n: int
    person: str
    channel: str
    attempt: int  # from 1
    repeated: bool = False


class PageDelivered(NamedTuple):
    """The channel took it; nobody knows whether it was read."""

    page: int
    n: int
    person: str
    channel: str
    attempt: int
    repeated: bool = False


class PageFailed(NamedTuple):
    page: int
    n: int
    person: str
    channel: str
    attempt: int
    why: str
    phone: str = ""
    repeated: bool = False


class PageUnreachable(NamedTuple):
    """No channel is left for this person: somebody has to call."""

    page: int
    n: int
    person: str
    why: str
    phone: str = ""


class PageAcknowledged(NamedTuple):
    page: int


class PageEscalated(NamedTuple):
    """A person wants the step after `n` at once."""

    page: int
    n: int


class PageExhausted(NamedTuple):
    """No step is left, and nobody has acknowledged it."""

    page: int
    why: str


# -- the record about the record ---------------------------------------------------------------------------


class Correction(NamedTuple):
    """`target` is the seq of an event of the same stream; None leaves a field as it was."""

    target: int
    body: str | None = None
    at: int | None = None


class Retraction(NamedTuple):
    target: int


class Redaction(NamedTuple):
    """The payloads of `targets` (seqs of the same stream) and these blobs and run files were destroyed."""

    targets: list[int]
    blobs: Strings = []  # noqa: RUF012 - a NamedTuple default is never mutated
    runs: Strings = []  # noqa: RUF012 - a NamedTuple default is never mutated


class SystemBallast(NamedTuple):
    """`state` is freed or taken; `bytes` is the ballast's size."""

    state: str
    bytes: int


class SystemRefused(NamedTuple):
    """A command was refused by `rule`; nothing else was changed."""

    command: str
    rule: str


class EvidenceExpired(NamedTuple):
    """These blobs were old enough and are destroyed; the events that name them stay."""

    blobs: Strings
    bytes: int


class ConfigSeen(NamedTuple):
    """A configuration first seen: `name` is its path, `digest` SHA-256 hex of `text`; a long one is the event's
    evidence, and `text` empty."""

    name: str
    digest: str
    text: str


# -- chats ------------------------------------------------------------------------------------------------------


class ChatOpened(NamedTuple):
    """`incident` is shown in a chat from now on: its card in `channel`, its `thread` under that card."""

    platform: str
    incident: str
    channel: str
    card: str
    thread: str


class ChatShown(NamedTuple):
    """The message that shows `what` (a run, or the incident's card) from now on."""

    platform: str
    incident: str
    what: str
    channel: str
    message: str


# -- on call: overrides, swaps and absences made by command ------------------------------------------------------


class OncallOverridden(NamedTuple):
    """In [start, end) µs an override counts as if it stood in the file; `body` says why. `kind` is replace_all (with
    `users`), replace_user, add_user or remove_user (with `add` and `remove`)."""

    name: str  # ov-1
    schedule: str
    kind: str
    start: int
    end: int
    level: int = 0
    users: Strings = []  # noqa: RUF012 - never mutated
    remove: str = ""
    add: str = ""


class OncallOverrideEnded(NamedTuple):
    """From `end` (µs) on the override counts no more; not at all where it had not begun."""

    name: str
    end: int


class OncallSwapOffered(NamedTuple):
    """`person` offers the time in [start, end) µs that they have by the layers of `schedule`."""

    name: str  # sw-1
    schedule: str
    person: str
    start: int
    end: int


class OncallSwapTaken(NamedTuple):
    """`person` has that time from `start` (µs) on."""

    name: str
    person: str
    start: int


class OncallSwapWithdrawn(NamedTuple):
    name: str


class OncallAbsent(NamedTuple):
    """`person` is on call in no schedule in [start, end) µs; `body` says why."""

    name: str  # ab-1
    person: str
    start: int
    end: int


class OncallAbsenceEnded(NamedTuple):
    """From `end` (µs) on the absence counts no more."""

    name: str
    end: int


# -- duty: who carries it, who takes over, and who is sent to bed. In an incident's stream, or in `oncall` ------------


class DutyJoined(NamedTuple):
    """`person` works in this incident from now on: their clock runs."""

    person: str


class DutyLeft(NamedTuple):
    person: str


class DutyStayed(NamedTuple):
    """`person` goes on until `until` (µs), whatever limit is reached; pages reach them again."""

    person: str
    until: int


class DutyReleased(NamedTuple):
    """Nobody took over in time: `people` are let go all the same. `handoff` is its name."""

    handoff: str
    people: Strings
    schedule: str = ""


class HandoffOffered(NamedTuple):
    """`receiver` shall take over from `giver`: these `roles` of the incident, or the duty of `schedule` since `edge` (µs).
    The brief is the `body`. Its name is `inc-7#12`, of an edge `infra@2022-11-14T08:00Z`. `why`: limit, shift, or empty
    where a person asked for it; `reason` says why this person."""

    receiver: Strings
    giver: Strings
    roles: Strings = []  # noqa: RUF012 - never mutated
    schedule: str = ""
    edge: int | None = None
    why: str = ""
    reason: str = ""


class HandoffAcknowledged(NamedTuple):
    """`person` has it: "I have command"."""

    handoff: str
    person: str


class HandoffOverdue(NamedTuple):
    """Nobody of `people` has acknowledged it in time; they are paged by every rule, then `next`."""

    handoff: str
    people: Strings
    next: str = ""


class ReliefNamed(NamedTuple):
    """`person` will reach the limit `limit` at `due` (µs), and `relief` is to take over then; the `body` says why this
    one. `breaks` are the limits that the choice breaks, because nobody could be chosen without."""

    person: str
    relief: str
    limit: str
    due: int
    breaks: Strings = []  # noqa: RUF012 - never mutated


class ReliefShielded(NamedTuple):
    """No page for `person` before `until` (µs): they rest. Their pages go to `cover`."""

    person: str
    until: int
    cover: str = ""


class ReliefCover(NamedTuple):
    """Morning cover is proposed: `cover` for `person` in [start, end) µs; `command` makes it so, the `body` says why."""

    person: str
    cover: str
    schedule: str
    start: int
    end: int
    command: str


# -- runs --------------------------------------------------------------------------------------------------


class RunStarted(NamedTuple):
    """Pins everything a resumed run needs; the runbook's text is this event's first evidence."""

    runbook: str
    digest: str  # SHA-256 hex of the runbook's text
    file: str
    inputs: Object
    secrets: Object  # input name -> reference, never a value
    locks: Strings
    journal: int
    cwd: str
    umask: int
    path: str  # the caller's $PATH
    attended: bool = False  # a person at a terminal or in a chat started it
    allowed: Strings = []  # noqa: RUF012 - never mutated; steps that `--yes` confirmed beforehand
    closes: bool = False  # this run declared its incident
    hosts: Object = {}  # noqa: RUF012 - never mutated; name -> what was known of it, where the runbook has targets
    subs: Object = {}  # noqa: RUF012 - never mutated; file -> text of the runbooks in it


class RunPaused(NamedTuple):
    pass


class RunParked(NamedTuple):
    questions: Strings


class RunResumed(NamedTuple):
    """A driver took the run up (again)."""

    pid: int


class RunEnded(NamedTuple):
    status: str  # ok failed aborted undone
    exit: int
    say: str = ""


class RunRequest(NamedTuple):
    """A person asks the driver for something: pause, abort, undo, or stop of a running step."""

    what: str
    path: str | None = None


class UndoStarted(NamedTuple):
    steps: Strings  # paths in the order in which they will be undone
    after: str = ""  # the status that the run had before


class StepStarted(NamedTuple):
    """The intent: written before the act."""

    path: str
    name: str
    n: int  # ordinal of the attempt within the run; names its files
    attempt: int  # from 1, of this part of this step
    effect: str
    part: str = "run"  # run check verify undo
    argv: Strings | None = None
    script: str | None = None
    env: Object = {}  # noqa: RUF012 - never mutated; what was added to the step's environment, without secrets
    user: str | None = None
    timeout: int | None = None
    change: Object = {}  # noqa: RUF012 - never mutated; the change record: what, from, to
    host: str | None = None  # where it runs; None is this machine


class StepSpread(NamedTuple):
    """The step is made once for each host and item, evaluated here once; its parts are `PATH[ITEM]@HOST`."""

    path: str
    name: str
    hosts: Strings
    batches: list[int]  # how many hosts in each
    items: Object = {}  # noqa: RUF012 - never mutated; `values`: the items, where there is a `for_each`


class StepEnded(NamedTuple):
    """The outcome of the attempt `n`, or of a step that needed none (`n` is None)."""

    path: str
    status: str  # ok failed in_doubt skipped
    n: int | None = None
    part: str = "run"
    name: str = ""
    attempt: int = 1
    exit: int | None = None
    signal: int | None = None
    why: str = ""
    outputs: Object = {}  # noqa: RUF012 - never mutated
    tail: str = ""  # the output's last 8 KiB at most, as text
    bytes: int = 0
    dropped: int = 0
    took: int | None = None  # µs
    recovered: bool = False
    final: bool = True  # False: another attempt follows
    survivors: Strings = []  # noqa: RUF012 - never mutated
    services: Strings = []  # noqa: RUF012 - never mutated; what the step left behind
    unreachable: bool = False  # its host could not be reached, so nothing began
    may_run: bool = False  # something of it runs on its host, or the host does not say
    change: Object = {}  # noqa: RUF012 - never mutated; the change record as read afterwards: also same, unread, diff, unknown
    watched: Object = {}  # noqa: RUF012 - never mutated; NAME: its first, last, least and most value, and how many
    unwatched: str = ""  # why a look of `watch` gave nothing, the last time


class StepOverdue(NamedTuple):
    path: str
    n: int
    ran: int  # µs


class QuestionAsked(NamedTuple):
    """`what` is confirm, approve, manual, doubt, undo or overdue; `shows` is what the person must see to decide."""

    question: str
    path: str
    what: str
    options: Strings
    shows: Object = {}  # noqa: RUF012 - never mutated


class QuestionAnswered(NamedTuple):
    question: str
    path: str
    answer: str
    outputs: Object = {}  # noqa: RUF012 - never mutated


class ApprovalGiven(NamedTuple):
    """A person approves what the question's gate is bound to; with enough of them the driver answers the question."""

    question: str
    path: str
    gate: str  # the digest that they approve


class QuestionVoid(NamedTuple):
    """The question is moot: what it asked about has changed or ended."""

    question: str


class LockReleased(NamedTuple):
    """A person released the lock of a run that will not end by itself; `body` says why."""

    name: str
    run: str


KINDS: dict[str, type] = {
    "incident.declared": IncidentDeclared,
    "incident.severity": IncidentSeverity,
    "incident.status": IncidentStatus,
    "incident.mitigated": IncidentMitigated,
    "incident.resolved": IncidentResolved,
    "incident.reopened": IncidentReopened,
    "incident.cancelled": IncidentCancelled,
    "note": Note,
    "update": Update,
    "reminder.due": ReminderDue,
    "reminder.snoozed": ReminderSnoozed,
    "reminder.stopped": ReminderStopped,
    "reminder.started": ReminderStarted,
    "role.assigned": RoleAssigned,
    "role.released": RoleReleased,
    "task.added": TaskAdded,
    "task.assigned": TaskAssigned,
    "task.done": TaskDone,
    "task.dropped": TaskDropped,
    "page.started": PageStarted,
    "page.fired": PageFired,
    "page.sending": PageSending,
    "page.delivered": PageDelivered,
    "page.failed": PageFailed,
    "page.unreachable": PageUnreachable,
    "page.acknowledged": PageAcknowledged,
    "page.escalated": PageEscalated,
    "page.exhausted": PageExhausted,
    "correction": Correction,
    "retraction": Retraction,
    "redaction": Redaction,
    "system.ballast": SystemBallast,
    "system.refused": SystemRefused,
    "evidence.expired": EvidenceExpired,
    "config.seen": ConfigSeen,
    "chat.opened": ChatOpened,
    "chat.shown": ChatShown,
    "oncall.overridden": OncallOverridden,
    "oncall.override_ended": OncallOverrideEnded,
    "oncall.swap_offered": OncallSwapOffered,
    "oncall.swap_taken": OncallSwapTaken,
    "oncall.swap_withdrawn": OncallSwapWithdrawn,
    "oncall.absent": OncallAbsent,
    "oncall.absence_ended": OncallAbsenceEnded,
    "duty.joined": DutyJoined,
    "duty.left": DutyLeft,
    "duty.stayed": DutyStayed,
    "duty.released": DutyReleased,
    "handoff.offered": HandoffOffered,
    "handoff.acknowledged": HandoffAcknowledged,
    "handoff.overdue": HandoffOverdue,
    "relief.named": ReliefNamed,
    "relief.shielded": ReliefShielded,
    "relief.cover": ReliefCover,
    "run.started": RunStarted,
    "run.paused": RunPaused,
    "run.parked": RunParked,
    "run.resumed": RunResumed,
    "run.ended": RunEnded,
    "run.request": RunRequest,
    "undo.started": UndoStarted,
    "step.spread": StepSpread,
    "step.started": StepStarted,
    "step.ended": StepEnded,
    "step.overdue": StepOverdue,
    "question.asked": QuestionAsked,
    "question.answered": QuestionAnswered,
    "question.void": QuestionVoid,
    "approval.given": ApprovalGiven,
    "lock.released": LockReleased,
}

VERSIONS: dict[str, int] = {}  # kind -> payload version where it is not 1

_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "bool": (bool,),
    "Object": (dict,),
    "Strings": (list,),
    "list[int]": (list,),
}


def version(kind: str) -> int:
    return VERSIONS.get(kind, 1)


def check(kind: str, data: Mapping[str, Any]) -> None:
    """Raises BadInput where `kind` is unknown or `data` does not have its fields."""
    if kind.startswith("x."):
        return
    shape: Any = KINDS.get(kind)
    if shape is None:
        raise BadInput(f"there is no kind of event {kind!r}", hint="kinds of your own begin with x.")
    fields = shape.__annotations__
    for name in data:
        if name not in fields:
            raise BadInput(f"{kind} has no field {name!r}")
    for name, annotation in fields.items():
        if name not in data:
            if name not in shape._field_defaults:
                raise BadInput(f"{kind} needs the field {name!r}")
            continue
        _check_value(kind, name, data[name], _spelling(annotation))


def _spelling(annotation: Any) -> str:
    return annotation.__forward_arg__ if hasattr(annotation, "__forward_arg__") else str(annotation)


def _check_value(kind: str, name: str, value: Any, spelling: str) -> None:
    wanted, _, optional = spelling.partition(" | ")
    if value is None and optional == "None":
        return
    types = _TYPES[wanted]
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise BadInput(f"{kind}: {name} must be {wanted}, not {type(value).__name__}")


def view(kind: str, data: Mapping[str, Any]) -> Any:
    """`data` as its kind's NamedTuple, defaults filled in; fields that this version does not know are left out."""
    shape: Any = KINDS[kind]
    return shape(**{name: value for name, value in data.items() if name in shape._fields})
