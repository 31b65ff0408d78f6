"""Why a schedule answers as it does, what it lacks, and what an edit of it would change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatops import params
from chatops.views import Card, Column, Field, Stack, Table, Text
from chatops.vocabulary import Call, Reply, command

if TYPE_CHECKING:
    from incidents.oncall.check import Finding
    from incidents.oncall.compare import Break, Shift

SCHEDULE = params.schedule(place=True)
SCHEDULES = params.path("schedules", "The schedules of this file alone, without a record.", alone=True)
WEEK = 7 * 86_400 * 1_000_000  # µs
SHOWN = 6  # findings of one kind; --json has all
KINDS = {
    "consecutive_days": "days in a row", "unreachable": "not reached", "doubled": "two at once", "stranger": "no effect",
    "clock": "clocks",
}  # fmt: skip


@command(
    "oncall explain",
    "Why it is they: the layer, turn and rule that decide, and what is hidden.",
    SCHEDULE,
    params.instant(),
    SCHEDULES,
    group="oncall",
    permission="read",
    writes=False,
)
def explain(call: Call, schedule: str | None, at: int | None, schedules: str | None) -> Reply:
    from chatops import reasons
    from chatops import rota as shared

    rota = shared.read(call, schedules)
    moment = shared.second(call, at)
    names = shared.chosen(rota, schedule, moment)
    documents: dict[str, Any] = {}
    cards = []
    for name in names:
        about = (
            rota.schedule(name, moment),
            rota.explain(name, moment),
            shared.next_change(rota, name, moment),
        )
        documents[name] = reasons.document(call, *about)
        cards.append(reasons.card(call, *about))
    return Reply(Stack(tuple(cards)), shared.document(schedule, documents))


@command(
    "oncall check",
    "What is lacking: gaps, people who cannot be reached, too little rest, surprises of the clocks.",
    SCHEDULE,
    params.weeks("weeks", "So many weeks ahead; else 26."),
    SCHEDULES,
    group="oncall",
    permission="read",
    writes=False,
    details="Exit 1 where something is lacking; what is marked with a dot is worth knowing. What rest is enough, and "
    "how many days in a row, is said under `limits:` in howdah.yaml.",
)
def check(call: Call, schedule: str | None, weeks: int | None, schedules: str | None) -> Reply:
    from chatops import rota as shared
    from incidents.oncall import check as checking

    rota = shared.read(call, schedules)
    names = shared.chosen(rota, schedule)
    start = shared.second(call)
    end = start + (weeks or 26 * WEEK)
    found = checking.check_all(
        {name: rota.schedule(name, call.now) for name in names},
        start,
        end,
        rules=call.config.limits,
        people=shared.known_people(call),
    )
    bad = checking.lacking(found)
    document = {
        "fine": not bad,
        "from": shared.stamp(start),
        "to": shared.stamp(end),
        "findings": [_document(one) for one in found],
    }
    until = f"until {shared.told(call, end)}, times of {call.zone}"
    cards = [card for name in names if (card := _card(call, name, found, until)) is not None]
    fine = [name for name in names if not any(name in one.schedule.split(", ") for one in found)]
    parts: list[Card | Text] = list(cards)
    if fine:
        parts.append(Text(f"✓ {', '.join(fine)}: nothing is lacking {until}", "good"))
    if not call.config.people:
        why = "the configuration is passed over" if call.stood_in else "howdah.yaml has no people:"
        parts.append(Text(f"Whether they can be reached is not known: {why}.", "quiet"))
    return Reply(Stack(tuple(parts)), document, exit=1 if bad else 0, file="oncall-check")


def _document(one: Finding) -> dict[str, Any]:
    from chatops import rota as shared

    return {
        **one._asdict(),
        "start": shared.stamp(one.start),
        "end": shared.stamp(one.end),
        "people": list(one.people),
    }


def _card(call: Call, name: str, findings: list[Finding], until: str) -> Card | None:
    """What was found of one schedule; what concerns several is told with the first of them."""
    mine = [one for one in findings if one.schedule.split(", ")[0] == name]
    if not mine:
        return None
    fields = []
    for kind in dict.fromkeys(one.kind for one in mine):
        alike = [one for one in mine if one.kind == kind]
        lines = [line for one in alike[:SHOWN] for line in _lines(call, one)]
        if len(alike) > SHOWN:
            lines.append(f"  and {len(alike) - SHOWN} more{_in_all(alike)}; --json has all")
        bad = any(one.state == "lack" for one in alike)
        fields.append(Field(KINDS.get(kind, kind), tuple(lines), "bad" if bad else "warn"))
    lacks = sum(one.state == "lack" for one in mine)
    state = f"{lacks} lacking" if lacks else "fine"
    return Card(name, tuple(fields), state=state, under=until, tone="bad" if lacks else "good")


def _in_all(gaps: list[Finding]) -> str:
    from incidents import clock

    return (
        f", {clock.words(sum(one.end - one.start for one in gaps))} in all" if gaps[0].kind == "gap" else ""
    )


def _lines(call: Call, one: Finding) -> list[str]:
    from chatops import rota as shared

    when = ""
    if one.kind in ("gap", "doubled", "stranger"):
        when = f"{shared.span_words(call, one.start, one.end)}: "
    elif one.kind in ("rest", "consecutive_days", "unreachable"):
        when = f"{shared.told(call, one.start)}: "
    elif one.kind == "clock":
        when = f"{shared.told(call, one.start).rpartition(' ')[0]}: "
    mark = "✗" if one.state == "lack" else "·"
    return [f"{mark} {when}{one.says}", *([f"→ {one.do}"] if one.do else [])]


@command(
    "oncall diff",
    "What an edit would change: whose shift moves, what breaks.",
    params.path(
        "old", "The file of schedules as it is.", place=True, required=True, metavar="OLD", alone=True
    ),
    params.path("new", "The file as it would be.", place=True, required=True, metavar="NEW", alone=True),
    params.weeks("weeks", "So many weeks ahead; else 8."),
    group="oncall",
    permission="read",
    writes=False,
    surfaces=("terminal",),
    because="it compares two files of the machine that you sit at",
    details="Exit 1 where the new one has a gap, breaks a limit or puts somebody in two places, and the old one did not.",
)
def diff(call: Call, old: str, new: str, weeks: int | None) -> Reply:
    from chatops import rota as shared
    from incidents.oncall import compare

    start = shared.second(call)
    end = start + (weeks or 8 * WEEK)
    before, after = shared.read_file(call, old), shared.read_file(call, new)
    found = compare.compare(before, after, start, end, rules=call.config.limits)
    document = {
        "from": shared.stamp(start),
        "to": shared.stamp(end),
        "shifts": [_shift_document(one) for one in found.shifts],
        "breaks": [
            {**one._asdict(), "start": shared.stamp(one.start), "end": shared.stamp(one.end)}
            for one in found.breaks
        ],
    }
    rows = tuple((one.schedule, one.person, _shift_words(call, one)) for one in found.shifts)
    empty = f"nobody's shift changes until {shared.told(call, end)}"
    parts: list[Table | Card] = [
        Table((Column("schedule"), Column("who"), Column("what changes", grow=True)), rows, empty=empty)
    ]
    if found.breaks:
        lines = tuple(f"✗ {_break_words(call, one)}" for one in found.breaks[: 2 * SHOWN])
        if len(found.breaks) > len(lines):
            lines += (f"  and {len(found.breaks) - len(lines)} more; --json has all",)
        parts.append(Card("What breaks", (Field("", lines, "bad"),), tone="bad"))
    return Reply(Stack(tuple(parts)), document, exit=1 if found.breaks else 0)


def _shift_document(one: Shift) -> dict[str, Any]:
    from chatops import rota as shared

    spans = {
        key: {"start": shared.stamp(span[0]), "end": shared.stamp(span[1])} if span else None
        for key, span in (("old", one.old), ("new", one.new))
    }
    return {"schedule": one.schedule, "person": one.person, "what": one.what, **spans}


def _shift_words(call: Call, one: Shift) -> str:
    from chatops import rota as shared

    old, new = (shared.span_words(call, *span) if span else "" for span in (one.old, one.new))
    if one.what == "changes":
        return f"{old} becomes {new}"
    if one.what == "moves":
        return f"moves from {old} to {new}"
    return f"gains {new}" if new else f"loses {old}"


def _break_words(call: Call, one: Break) -> str:
    from chatops import rota as shared

    when = (
        shared.span_words(call, one.start, one.end)
        if one.kind in ("gap", "doubled")
        else shared.told(call, one.start)
    )
    return f"{one.schedule}, {when}: {one.says}"
