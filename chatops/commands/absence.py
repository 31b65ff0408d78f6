"""Who is away, and what that leaves uncovered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatops import params
from chatops.views import Column, Table
from chatops.vocabulary import Call, Reply, command

if TYPE_CHECKING:
    from chatops.changing import Decided, Done
    from incidents.events import Event
    from incidents.oncall.changes import MadeAbsence, Moved
    from incidents.oncall.schedule import Absence
    from incidents.oncall.versions import Rota

WHY = params.text("why", "Why; everybody who may read the record sees it.")
NAME = params.change("ab", "Which absence: ab-1, as lists show it.", required=True)


@command(
    "absence",
    "Say that you are away: you are on call in no schedule then; without words: list.",
    params.person("person", "Who is away; else you.", place=True),
    params.instant("from_", "From when: 14:05, +3h, 2022-12-20, or with Z. Else now."),
    params.instant("to", "Until when, in the same way; a date is its midnight."),
    params.duration("for_", "How long, instead of --to: 8h, 2d."),
    WHY,
    group="oncall",
    details="The answer says which time it leaves uncovered and who could take it. howdah absence list shows who is"
    " away, howdah absence end NAME ends one.",
)
def make(
    call: Call, person: str | None, from_: int | None, to: int | None, for_: int | None, why: str | None
) -> Reply:
    if all(value is None for value in (person, from_, to, for_, why)):
        return _list(call, False)
    from chatops import changing, moves

    user = person or changing.me(call)
    asked = changing.Asked(from_, to, for_)

    def decide(rota: Rota) -> Decided:
        start, end = asked.span(call, call.now)
        return changing.Decided({"person": user, "start": start, "end": end}, why or "")

    def same(known: Event) -> bool:
        return known.data["person"] == user and asked.agrees(call, known)

    done = changing.record(call, "oncall.absent", same, decide)
    made = done.after.changes.absences.get(done.name)
    if made is None:
        return moves.reply(call, done, "", (), [])
    moved = _moved(done, *made.asked)
    gaps = [_gap(call, done.after, name, one) for name, one in moved if not one.after]
    lines = [moves.when(*made.asked, call.zone), *moves.moves(moved, call.zone, named=True)]
    if not moved:
        lines.append(f"{user} is not on call then")
    for gap in gaps[:1]:
        span = f"--from {gap['start']} --to {gap['end']}"
        could = f"; {' or '.join(gap['could'])} could take it" if gap["could"] else ""
        lines.append(f"{len(gaps)} {'gap' if len(gaps) == 1 else 'gaps'} with nobody{could}")
        lines.append(f"howdah swap offer {gap['schedule']} {span}" + (f" --person {user}" if person else ""))
    return moves.reply(call, done, f"{made.name}  {user} is absent", lines, moved, document={"gaps": gaps})


def _moved(done: Done, start: int, end: int) -> list[tuple[str, Moved]]:
    found = [(name, one) for name in done.after.names() for one in done.moved(name, start, end)]
    return sorted(found, key=lambda pair: pair[1].start)


def _gap(call: Call, rota: Rota, name: str, one: Moved) -> dict[str, Any]:
    """Time that has nobody, and who of this schedule's layers could take it: those who are neither absent nor on call
    anywhere then, who is on call least in the four weeks around it first."""
    from chatops import changing, moves
    from incidents import clock
    from incidents.oncall import gaps

    around = (max(call.now, one.start - 14 * clock.DAY), one.end + 14 * clock.DAY)
    shifts = {other: rota.shifts(other, *around) for other in rota.names()}
    free: list[tuple[int, str]] = []
    for person in gaps.on_layers(rota.schedule(name, one.start)):
        times = [span for segments in shifts.values() for span in changing.times_of(segments, person)]
        busy = any(start < one.end and one.start < end for start, end in times)
        if not busy and not changing.absent(rota, name, person, one.start, one.end):
            free.append((sum(end - start for start, end in times), person))
    could = [person for _, person in sorted(free)[:3]]
    return {"schedule": name, "start": moves.stamp(one.start), "end": moves.stamp(one.end), "could": could}


@command(
    "absence list",
    "Who is away, now and later.",
    params.flag("all", "Those that are over too."),
    group="oncall",
    permission="read",
    writes=False,
)
def list_absences(call: Call, all: bool) -> Reply:
    return _list(call, all)


def _list(call: Call, everything: bool) -> Reply:
    from chatops import cards, changing, moves

    rota = changing.listed(call)
    made = rota.changes.absences
    found: list[tuple[Absence, str, MadeAbsence | None]] = []
    found += [(one.absence(), "", one) for one in made.values() if everything or one.counts]
    found += [
        (one, name, None)
        for name in rota.names()
        for one in rota.schedule(name, call.now).absences
        if one.name not in made
    ]
    rows, documents = [], []
    for one, schedule, mine in sorted(found, key=lambda each: each[0].start):
        if not everything and one.end <= call.now:
            continue
        start, end = (cards.short_moment(at, call.zone, call.now) for at in (one.start, one.end))
        words = one.why + (changing.ended(mine) if mine else "")
        rows.append((one.name or "-", one.user, start, end, schedule or "all", words))
        documents.append(
            {
                "name": one.name or None,
                "person": one.user,
                "start": moves.stamp(one.start),
                "end": moves.stamp(one.end),
                "schedule": schedule or None,
                "why": one.why,
                "by": mine.by if mine else None,
            }
        )
    columns = (
        Column("name"), Column("who"), Column("from"), Column("to"), Column("schedule"), Column("why", grow=True),
    )  # fmt: skip
    return Reply(Table(columns, tuple(rows), empty="nobody is away"), {"absences": documents})


@command(
    "absence end",
    "They are back: the absence ends now; one that has not begun is cancelled.",
    NAME,
    group="oncall",
)
def end(call: Call, name: str) -> Reply:
    from chatops import changing, moves
    from incidents import clock

    def decide(rota: Rota) -> Decided:
        made: MadeAbsence = changing.found(rota.changes.absences, name, "absence")
        changing.check_counts(call, made)
        return changing.Decided({"name": name, "end": clock.whole(call.now)})

    done = changing.record(call, "oncall.absence_ended", lambda known: known.data["name"] == name, decide)
    made = done.before.changes.absences.get(name)
    if made is None:
        return moves.reply(call, done, f"{name} is ended", (), [])
    moved = _moved(done, made.start, made.end)
    begun = made.start < done.event.at
    said = f"{name}  {made.user} is back" if begun else f"{name} is cancelled: {made.user} stays"
    away = _still_away(done, made.user, max(made.start, clock.whole(done.event.at)))
    if away:
        names, until, where = away
        said = f"{name} is {'ended' if begun else 'cancelled'}"
        said += f": {made.user} is still absent{where} until {moves.instant(until, call.zone)}, by {names}"
    return moves.reply(call, done, said, moves.moves(moved, call.zone, named=True), moved)


def _still_away(done: Done, person: str, at: int) -> tuple[str, int, str] | None:
    """By which other absences they are away from `at` on without a break, until when, and in which schedules where
    these are of some only."""
    found: dict[tuple[int, int, str], set[str]] = {}  # (start, end, name) -> schedules
    for schedule in done.after.names():
        for one in done.after.schedule(schedule, at).absences:
            if one.user == person:
                found.setdefault((one.start, one.end, one.name or "the file"), set()).add(schedule)
    until, names, where = at, list[str](), set[str]()
    for (start, end, name), schedules in sorted(found.items()):
        if start <= until < end:
            until, where = end, where | schedules
            names.append(name)
    some = "" if where == set(done.after.names()) else f" in {', '.join(sorted(where))}"
    return (", ".join(dict.fromkeys(names)), until, some) if names else None
