"""The timeline: write a line, read it, put it right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatops import params
from chatops.params import When
from chatops.vocabulary import Call, Reply, command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chatops.vocabulary import Quoted
    from incidents.events import Event, Evidence
    from incidents.lifecycle import Incident

AT = params.time()
INCIDENT = params.incident()
MILESTONES = ("started", "detected", "alerted", "acknowledged", "recovered")
ABOUT = ("summary", "impact", "cause", "well", "badly", "luck", "surprise")


@command(
    "note",
    "Write a line on the timeline.",
    params.text(
        "text",
        "What happened; - reads it from standard input.",
        place=True,
        rest=True,
        required=True,
        dashed=True,
    ),
    AT,
    params.time("until", "When it was over, of what lasted from --at on.", surfaces=params.MACHINE),
    params.choice(
        "milestone", "This is when it started, was detected, alerted, acknowledged, recovered.", MILESTONES
    ),
    params.choice("about", "A line for this chapter of the postmortem, not for its timeline.", ABOUT),
    INCIDENT,
    group="timeline",
    last_good=True,
    details="A note can be written after the end, too. Of an impact say from when to when: the postmortem counts.",
)
def note(call: Call, text: str, at: When | None, until: When | None, milestone: str | None, about: str | None,
         incident: str | None) -> Reply:  # fmt: skip
    from incidents.errors import BadInput

    if milestone and about:
        raise BadInput("a milestone is a line of the timeline: --milestone and --about exclude each other")
    if until is not None and (at is None or until.at < at.at):
        raise BadInput(
            "--until is the end of what began --at an earlier time", hint="--at 18:59 --until 19:06"
        )
    fields = {"until": until.at} if until is not None else {}
    return _write(call, "note", text, at, incident, milestone=milestone, data={"about": about} if about else {},
                  **fields)  # fmt: skip


@command(
    "update",
    "Write a word to the people outside the response.",
    params.text(
        "text",
        "What they should know; - reads it from standard input.",
        place=True,
        rest=True,
        required=True,
        dashed=True,
    ),
    params.duration("next", "When the next one follows: 45m. Else the severity says so."),
    AT,
    INCIDENT,
    group="timeline",
    last_good=True,
)
def update(call: Call, text: str, next: int | None, at: When | None, incident: str | None) -> Reply:
    from chatops import instead

    instead.same_rules(call)
    data = {"next": next} if next is not None else {}
    return _write(call, "update", text, at, incident, visibility="public", data=data)


def _write(
    call: Call, kind: str, text: str, at: When | None, incident: str | None, **fields: object
) -> Reply:
    from chatops import cards, which
    from incidents import timeline

    one = which.row_to_write(call, incident)
    fields.update(params.happened(at))
    (event,) = timeline.record(call.store, call.draft(one, kind, body=text, **fields))
    return cards.recorded(call, event, given=at is not None)


@command(
    "add",
    "Put a message of the chat on the timeline, with its files.",
    INCIDENT,
    group="timeline",
    surfaces=("discord", "slack"),
    because="it is about a message of a chat; elsewhere `howdah note` says it",
    menu="Add to timeline",
)
def add(call: Call, incident: str | None) -> Reply:
    import dataclasses

    from chatops import cards, which
    from incidents import telling, timeline
    from incidents.errors import BadInput
    from incidents.store.protocol import KeyUsed

    message = call.quoted
    if message is None:
        raise BadInput("there is no message to add", hint="choose it in the menu of a message")
    known = call.store.by_key(message.key)
    if known is None:
        one = which.row_to_write(call, incident)
        body, evidence = _words_of(call, message)
        draft = call.draft(
            one,
            "note",
            body=body,
            at=min(message.at, call.now),
            precision="ms",
            evidence=evidence,
            key=message.key,
        )
        try:
            (event,) = timeline.record(call.store, dataclasses.replace(draft, source=message.source))
        except KeyUsed as used:  # somebody else added it at this moment
            known = used.event
        else:
            return cards.recorded(call, event)
    said = f"it is on the timeline already, added by {telling.who(known)}: {known.body}"
    return cards.recorded(call, known, said)


LARGEST_FILE = 10 << 20  # bytes of one file of a message that is kept
LARGEST_FILES = 25 << 20  # bytes of all files of one message


def _words_of(call: Call, message: Quoted) -> tuple[str, tuple[Evidence, ...]]:
    """`author: text`, the files that are kept as evidence, a line for each that is not. Raises BadInput: nothing there."""
    from incidents.errors import BadInput, HowdahError

    text = message.text.strip()
    if not text and not message.files:
        raise BadInput("the message has neither text nor files", hint="write what it shows: howdah note TEXT")
    people = call.config.people.of_account(message.source.platform, message.account)
    lines = [f"{people[0].name if people else message.author}: {text}".strip()]
    kept: list[Evidence] = []
    room = LARGEST_FILES
    for file in message.files:
        try:
            if file.size > min(LARGEST_FILE, room):
                raise BadInput(f"{file.size:,} bytes are too many")
            data = file.read()
            if len(data) > min(LARGEST_FILE, room):
                raise BadInput(f"{len(data):,} bytes are too many")
            kept.append(call.store.put_blob(data, media_type=file.media_type, name=file.name))
            room -= len(data)
        except (
            HowdahError
        ) as error:  # the words count more than the file: they are recorded, and what is missing
            lines.append(f"(the file {file.name} is not kept: {error.message})")
    if len(kept) == 1:
        lines.append(f"(file: {kept[0].name})")
    elif kept:
        lines.append(f"(files: {', '.join(one.name for one in kept)})")
    return "\n".join(lines), tuple(kept)


@command(
    "timeline",
    "What happened, in order; local time and UTC.",
    params.incident(place=True, help="Which incident; else the only open one, else the last."),
    params.flag("utc", "UTC only."),
    params.flag(
        "all", "Also what another entry says better: starts of steps, corrections, answered questions."
    ),
    params.number("last", "Only the last N entries."),
    group="timeline",
    permission="read",
    writes=False,
    last_good=True,
    details="#N is the entry's number: `howdah correct N TEXT`, `howdah retract N --why TEXT`, `howdah redact N "
    "--why TEXT`. Entries stand in the order in which things happened, not in which they were written.",
)
def show(call: Call, incident: str | None, utc: bool, all: bool, last: int | None) -> Reply:
    from chatops import cards, documents, which
    from chatops.views import Log
    from incidents import telling, timeline

    one = which.to_read(call, incident)
    events = list(call.store.events(one.name))
    gone = set() if all else telling.hidden(events)
    entries = [entry for entry in timeline.view(events) if entry.event.seq not in gone]
    left_out = len(entries) - last if last is not None and last < len(entries) else 0
    entries = entries[left_out:]
    log = Log(
        cards.heading(one),
        cards.log_entries(entries, one, telling.changes(events)),
        zone="UTC" if utc else call.zone,
        state=cards.state(one),
        under=f"{left_out} earlier entries are not shown" if left_out else "",
    )
    listed = [documents.entry(entry) for entry in entries]
    return Reply(log, {"incident": one.name, "entries": listed}, file=f"timeline-{one.name}.txt")


@command(
    "correct",
    "Put an entry right; the first wording stays in the record.",
    params.number("number", "The entry's number on the timeline.", place=True, required=True),
    params.text(
        "text", "What it should say; - reads it from standard input.", place=True, rest=True, dashed=True
    ),
    params.time(help="When it really happened."),
    INCIDENT,
    group="timeline",
)
def correct(call: Call, number: int, text: str | None, at: When | None, incident: str | None) -> Reply:
    from chatops import cards
    from incidents import timeline
    from incidents.errors import BadInput

    if text is None and at is None:
        raise BadInput("nothing to correct", hint=f"howdah correct {number} TEXT, or --at TIME")
    one = _with_entries(call, incident, (number,))
    data = {"target": number, "body": text, "at": at.at if at else None}
    (event,) = timeline.record(call.store, call.draft(one, "correction", data=data))
    said = f"corrects #{number}" + (f": {text}" if text else "")
    more = f"#{number} is now at {cards.moment(at.at, call.zone, at.precision)}" if at else ""
    return cards.recorded(call, event, said, more=more)


@command(
    "retract",
    "Take an entry back: it stays readable, struck out.",
    params.number("number", "The entry's number on the timeline.", place=True, required=True),
    params.text("why", "Why.", required=True),
    INCIDENT,
    group="timeline",
)
def retract(call: Call, number: int, why: str, incident: str | None) -> Reply:
    from chatops import cards
    from incidents import timeline

    one = _with_entries(call, incident, (number,))
    (event,) = timeline.record(call.store, call.draft(one, "retraction", data={"target": number}, body=why))
    return cards.recorded(call, event, f"retracts #{number}: {why}")


@command(
    "redact",
    "Destroy the content of entries: secrets, personal data. It cannot be undone.",
    params.number("numbers", "The entries' numbers on the timeline.", place=True, required=True, repeat=True),
    params.text("why", "Why; this text stays readable.", required=True),
    params.flag("yes", "Yes, destroy it; a terminal then does not ask, and a chat wants it."),
    INCIDENT,
    group="timeline",
    permission="keep",
    details="That the entries were there, when and by whom, stays. Backups made earlier are listed, not changed.",
)
def redact(call: Call, numbers: tuple[int, ...], why: str, yes: bool, incident: str | None) -> Reply:
    import dataclasses

    from chatops import cards
    from incidents.errors import IllegalTransition

    one = _with_entries(call, incident, numbers)
    known = call.store.by_key(call.places.key) if call.places.key else None
    if known is not None and known.kind == "redaction":
        return cards.recorded(call, dataclasses.replace(known, replayed=True))
    events = {event.seq: event for event in call.store.events(one.name)}
    chosen = [events[number] for number in sorted(set(numbers))]
    if all(event.redacted for event in chosen):
        raise IllegalTransition(f"{_named(chosen)} {'is' if len(chosen) == 1 else 'are'} redacted already")
    if not yes and (call.attended or call.in_chat):
        _ask_before_destroying(call, chosen)
    draft = call.draft(one, "redaction", data={"targets": sorted(set(numbers))}, body=why)
    event = call.store.redact(draft)
    old = [backup for backup in call.store.backups() if backup.pos < event.pos]
    more = "".join(f"\nstill in the backup {backup.path}" for backup in old) + _also(one.name, events, chosen)
    return cards.recorded(call, event, f"redacted {_named(chosen)}: {why}", more=more.lstrip("\n"))


def _named(events: Sequence[Event]) -> str:
    return ", ".join(f"#{event.seq}" for event in events)


def _also(name: str, events: Mapping[int, Event], chosen: Sequence[Event]) -> str:
    """A line that names what else tells of the same steps what they printed or changed; empty where nothing does."""
    gone = {event.seq for event in chosen}
    steps = {(event.run, event.step) for event in chosen if event.run is not None and event.step is not None}
    left = [
        str(event.seq)
        for event in events.values()
        if (event.run, event.step) in steps and event.seq not in gone and not event.redacted
        if any(
            word in told
            for told in (event.data, event.data.get("shows") or {})
            for word in ("change", "tail")
        )
    ]
    if not left:
        return ""
    return (
        f"\nthe same is told of in more entries: howdah redact {' '.join(left)} --incident {name} --why TEXT"
    )


def _ask_before_destroying(call: Call, events: Sequence[Event]) -> None:
    """Shows what will be gone; raises Refused where the person does not say yes."""
    from chatops import layout
    from chatops.views import Choice, Option
    from incidents import telling
    from incidents.errors import Refused

    shown = [f"#{event.seq}  {layout.cut(telling.sentence(event), 60)}" for event in events]
    if call.in_chat:
        raise Refused(
            "nothing is destroyed yet; this would go for good:\n" + "\n".join(shown),
            hint="say it again with yes: True",
        )
    options = (Option("no", "nothing is changed"), Option("yes", "destroy it; it cannot be undone"))
    if call.choose(Choice("Destroy the content of\n" + "\n".join(shown), options, "yes")) != "yes":
        raise Refused("nothing was redacted", hint="--yes does not ask")


def _with_entries(call: Call, incident: str | None, numbers: tuple[int, ...]) -> Incident:
    """The incident, which has all these entries. Raises NotFound."""
    from chatops import which
    from incidents.errors import NotFound

    one = which.to_write(call, incident)
    for number in numbers:
        if number > one.last_seq:
            raise NotFound(
                f"{one.name} has no entry #{number}", hint=f"the last is #{one.last_seq}: howdah timeline"
            )
    return one
