"""Who is on call, when, and until when: words that look at a schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatops import params
from chatops.views import Column, Drawing, Part, Stack, Table, Text
from chatops.vocabulary import Call, Reply, command

if TYPE_CHECKING:
    from incidents.oncall.feed import Duty
    from incidents.oncall.versions import Rota

SCHEDULE = params.schedule(place=True)
SCHEDULES = params.path("schedules", "The schedules of this file alone, without a record.", alone=True)
AT = params.instant()
FROM = params.instant("from_", "From when on; else now.")
TO = params.instant("to", "Until when, excluded; else a week later.")
WEEK = 7 * 86_400 * 1_000_000  # µs
NOBODY = "nobody"


@command(
    "oncall",
    "Who is on call now.",
    AT,
    SCHEDULES,
    group="oncall",
    permission="read",
    writes=False,
    surfaces=("terminal", "room"),
    because="a chat has the word with a name, oncall who",
)
def oncall(call: Call, at: int | None, schedules: str | None) -> Reply:
    return who(call, None, at, schedules)


@command(
    "oncall who",
    "Who is on call, now or at another time.",
    SCHEDULE,
    AT,
    SCHEDULES,
    group="oncall",
    permission="read",
    writes=False,
)
def who(call: Call, schedule: str | None, at: int | None, schedules: str | None) -> Reply:
    from chatops import rota as shared

    rota = shared.read(call, schedules)
    moment = shared.second(call, at)
    names = shared.chosen(rota, schedule, moment)
    found = {name: rota.on_call(name, moment) for name in names}
    document: dict[str, Any] = {"at": shared.stamp(moment)}
    if schedule is not None:
        document["on_call"] = list(found[schedule])
    else:
        document["schedules"] = {name: list(found[name]) for name in names}
    if call.json:
        return Reply(document=document)
    rows = tuple((name, shared.names(found[name]), _then(call, rota, name, moment)) for name in names)
    tones = tuple("" if found[name] else "bad" for name in names)
    table = Table((Column("schedule"), Column("on call"), Column("until", grow=True)), rows, tones=tones)
    if at is None:
        return Reply(table, document)
    return Reply(Stack((Text(f"at {shared.moment(call, at)}", "quiet"), table)), document)


def _then(call: Call, rota: Rota, name: str, at: int) -> str:
    """Until when this is so, and who comes then."""
    from chatops import rota as shared

    change = shared.next_change(rota, name, at)
    if change is None:
        return "further on"
    gone = name not in rota.names(change.start)
    then = "there is no such schedule" if gone else shared.names(change.people)
    return f"{shared.told(call, change.start)}, then {then}"


@command(
    "oncall shifts",
    "Who is on call when: the final schedule, with its gaps.",
    SCHEDULE,
    FROM,
    TO,
    SCHEDULES,
    group="oncall",
    permission="read",
    writes=False,
)
def shifts(
    call: Call, schedule: str | None, from_: int | None, to: int | None, schedules: str | None
) -> Reply:
    from chatops import rota as shared

    rota = shared.read(call, schedules)
    start, end = shared.span(call, from_, to, WEEK)
    names = shared.chosen(rota, schedule, start, end)
    found = {name: rota.there(name, start, end) for name in names}
    document = shared.document(schedule, {name: {"segments": shared.segments(found[name])} for name in names})
    if call.json:
        return Reply(document=document)
    parts = []
    for name in names:
        rows = tuple(
            (
                shared.span_words(call, one.start, one.end),
                shared.length(one.start, one.end),
                shared.names(one.people),
            )
            for one in found[name]
        )
        columns = (Column(name), Column("for", right=True), Column("on call", grow=True))
        parts.append(Table(columns, rows, tones=tuple("" if one.people else "bad" for one in found[name])))
    return Reply(_stack(parts), document, file="shifts")


@command(
    "oncall handoffs",
    "When the turns of each layer begin and end.",
    SCHEDULE,
    FROM,
    TO,
    SCHEDULES,
    group="oncall",
    permission="read",
    writes=False,
)
def handoffs(
    call: Call, schedule: str | None, from_: int | None, to: int | None, schedules: str | None
) -> Reply:
    from chatops import rota as shared

    rota = shared.read(call, schedules)
    start, end = shared.span(call, from_, to, WEEK)
    names = shared.chosen(rota, schedule, start, end)
    found = {name: rota.handoffs(name, start, end) for name in names}
    of_one = {
        name: {"layers": {layer: [shared.stamp(at) for at in edges] for layer, edges in found[name].items()}}
        for name in names
    }
    document = shared.document(schedule, of_one)
    if call.json:
        return Reply(document=document)
    parts = []
    for name in names:
        edges = sorted((at, layer) for layer, mine in found[name].items() for at in mine)
        rows = tuple(
            (shared.told(call, at), layer, shared.names(rota.on_call(name, at))) for at, layer in edges
        )
        columns = (Column(name), Column("layer"), Column("then on call", grow=True))
        parts.append(Table(columns, rows, empty=f"{name}: no layer has turns"))
    return Reply(_stack(parts), document, file="handoffs")


@command(
    "oncall next",
    "The shift that a person has, and those that come.",
    params.person("person", "Whose shifts; else yours.", place=True),
    params.weeks("weeks", "So many weeks ahead; else 8."),
    SCHEDULES,
    group="oncall",
    permission="read",
    writes=False,
)
def next_shifts(call: Call, person: str | None, weeks: int | None, schedules: str | None) -> Reply:
    from chatops import rota as shared

    rota = shared.read(call, schedules)
    who = person or call.who.person or call.actor.shown
    if person is not None:
        shared.must_be_known(call, rota, who)
    ahead = weeks or 8 * WEEK
    found = shared.shifts_of(rota, who, shared.second(call), shared.second(call) + ahead)
    document = {
        "person": who,
        "shifts": [
            {"schedule": one.schedule, "start": shared.stamp(one.start) if one.begun else None,
             "end": shared.stamp(one.end) if one.ends else None, "running": one.start <= call.now}
            for one in found
        ],
    }  # fmt: skip
    rows = tuple(
        (one.schedule, shared.duty_words(call, one),
         shared.length(one.start, one.end) if one.begun and one.ends else "", shared.coming(call.now, one.start))
        for one in found
    )  # fmt: skip
    columns = (
        Column("schedule"),
        Column(f"{who} is on call"),
        Column("for", right=True),
        Column("", grow=True),
    )
    empty = f"{who} has no shift in the next {ahead // WEEK} weeks"
    tones = tuple("key" if one.start <= call.now else "" for one in found)
    return Reply(Table(columns, rows, empty=empty, tones=tones), document)


@command(
    "oncall calendar",
    "A month as a calendar.",
    SCHEDULE,
    params.month("month", "Which month, as 2022-11; else this one."),
    SCHEDULES,
    group="oncall",
    permission="read",
    writes=False,
    details="Days are those of your zone (--zone). A number before a name is the time at which they take over.",
)
def calendar(call: Call, schedule: str | None, month: tuple[int, int] | None, schedules: str | None) -> Reply:
    from chatops import month as drawing
    from chatops import rota as shared

    rota = shared.read(call, schedules)
    year, number = month or drawing.this_month(call)
    names = shared.chosen(rota, schedule, *drawing.span(call, year, number))
    made = [drawing.read(call, rota, name, year, number) for name in names]
    documents = {one.name: drawing.document(one) for one in made}
    parts = [Drawing(one.draw, one.listed()) for one in made]
    return Reply(_stack(parts), shared.document(schedule, documents), file=f"oncall-{year}-{number:02}")


@command(
    "oncall ics",
    "The shifts as an iCalendar feed.",
    SCHEDULE,
    params.person("person", "Only the shifts of this person."),
    params.weeks("weeks", "So many weeks ahead; else 26."),
    SCHEDULES,
    group="oncall",
    permission="read",
    writes=False,
    details="Write it where your calendar subscribes to it, again and again: a shift keeps its name, so that one "
    "that moves is moved there as well. What was over four weeks ago is left out.",
)
def ics(
    call: Call, schedule: str | None, person: str | None, weeks: int | None, schedules: str | None
) -> Reply:
    from chatops import rota as shared
    from incidents.oncall import feed

    rota = shared.read(call, schedules)
    names = shared.chosen(rota, schedule)
    if person is not None:
        shared.must_be_known(call, rota, person)
    until = call.now + (weeks or 26 * WEEK)
    since = call.now - feed.HISTORY
    found: list[Duty] = []
    for name in names:
        zone = rota.schedule(name, call.now).zone
        segments = rota.shifts(name, *feed.window(zone, since, until))
        found += feed.duties(name, zone, segments, since=since, until=until)
    mine = sorted(
        (one for one in found if person in (None, one.person)), key=lambda one: (one.start, one.uid)
    )
    title = " ".join(filter(None, ("on call:", ", ".join(names), f"({person})" if person else "")))
    text = feed.calendar(mine, title, call.now)
    if call.terminal is not None and not call.json:
        call.terminal.stdout.write(text)  # as it is: its lines end as the format wants them
        return Reply()
    return Reply(Text(text.replace("\r\n", "\n"), exact=True), {"ics": text}, file=f"oncall-{names[0]}.ics")


def _stack(parts: list[Table] | list[Drawing]) -> Part | Stack:
    return parts[0] if len(parts) == 1 else Stack(tuple(parts))
