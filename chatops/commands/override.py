"""Somebody else than the schedule says, for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatops import params
from chatops.views import Column, Table
from chatops.vocabulary import Call, Reply, command

if TYPE_CHECKING:
    from chatops.changing import Decided
    from incidents.events import Event
    from incidents.oncall.schedule import Override
    from incidents.oncall.versions import Rota

SCHEDULE = params.schedule(help="Which schedule, where there are several.", place=True)
FROM = params.instant("from_", "When it begins: 14:05, +3h, 2022-11-12T09:00, or with Z. Else now.")
TO = params.instant("to", "When it ends, in the same way.")
FOR = params.duration("for_", "How long it lasts, instead of --to: 8h.")
WHY = params.text("why", "Why.")
NAME = params.change("ov", "Which override: ov-1, as lists show it.", required=True)
ALL = params.flag("all", "Those that are over too.")


@command(
    "override",
    "Put somebody on call, or take somebody off, whatever the schedule says; without words: list.",
    SCHEDULE,
    params.person("replace", "Who is replaced, where they are on call; --with says by whom."),
    params.person("with_", "Who takes their place."),
    params.person("add", "Who is on call too."),
    params.person("remove", "Who is not on call."),
    params.people("all", "Nobody but these, whatever the layers say."),
    FROM,
    TO,
    FOR,
    params.level(),
    WHY,
    group="oncall",
    details="howdah override list shows what was made, howdah override end NAME ends one. It counts from now on at the"
    " earliest: what was is not changed.",
)
def make(
    call: Call, schedule: str | None, replace: str | None, with_: str | None, add: str | None, remove: str | None,
    all: tuple[str, ...] | None, from_: int | None, to: int | None, for_: int | None, level: int, why: str | None,
) -> Reply:  # fmt: skip
    given = {"replace": replace, "with": with_, "add": add, "remove": remove, "all": all}
    if not any((schedule, why, level, from_, to, for_, *given.values())):
        return _list(call, None, False)
    from chatops import changing, moves
    from incidents.oncall.changes import phrase

    what = _what(given)
    asked = changing.Asked(from_, to, for_)

    def decide(rota: Rota) -> Decided:
        name = changing.schedule_named(call, rota, schedule, what["remove"] or None)
        start, end = asked.span(call, call.now)
        data = {"schedule": name, "start": start, "end": end, "level": level, **what}
        _check_overlap(call, rota, data)
        return changing.Decided(data, why or "")

    def same(known: Event) -> bool:
        data = known.data
        if schedule not in (None, data["schedule"]) or not asked.agrees(call, known):
            return False
        return {**what, "level": level}.items() <= dict(data).items()

    done = changing.record(call, "oncall.overridden", same, decide)
    made = done.after.changes.overrides.get(done.name)
    if made is None:
        return moves.reply(call, done, "", (), [])
    start, end = made.asked
    moved = [(made.schedule, one) for one in done.moved(made.schedule, start, end)]
    lines = [moves.when(start, end, call.zone), *moves.moves(moved, call.zone, named=False)]
    if not moved:
        lines.append("it moves nobody as things stand: " + _why_nobody(what))
    said = f"{made.name}  {made.schedule}: {phrase(made.kind, made.users, made.remove, made.add)}"
    return moves.reply(call, done, said, lines, moved)


def _what(given: dict[str, Any]) -> dict[str, Any]:
    """Kind and people of the override. Raises BadInput where not exactly one thing is asked for."""
    from incidents.errors import BadInput

    kinds = [word for word in ("replace", "add", "remove", "all") if given[word] is not None]
    hint = "give --replace A --with B, or --add B, or --remove A, or --all A,B"
    if len(kinds) != 1:
        raise BadInput("one override does one thing" if kinds else "what should change?", hint=hint)
    (kind,) = kinds
    if (kind == "replace") != (given["with"] is not None):
        raise BadInput("--replace and --with go together", hint=hint)
    if kind == "all":
        return {"kind": "replace_all", "users": list(given["all"]), "remove": "", "add": ""}
    remove = given["replace"] or given["remove"] or ""
    add = given["with"] or given["add"] or ""
    if remove == add:
        raise BadInput(f"{add} cannot take their own place", hint="name two people")
    return {"kind": f"{kind}_user", "users": [], "remove": remove, "add": add}


def _why_nobody(what: dict[str, Any]) -> str:
    if what["remove"]:
        return f"{what['remove']} is not on call then"
    return "they are on call then already, or are absent, or a temporary schedule stands above it"


def _check_overlap(call: Call, rota: Rota, data: dict[str, Any]) -> None:
    """Raises Refused where another override of this level names one of the same people at the same time (rule 10)."""
    from chatops import moves
    from incidents.errors import Refused
    from incidents.oncall.changes import phrase

    named = {data["remove"], data["add"]} - {""}
    for one in rota.schedule(data["schedule"], data["start"]).overrides:
        both = sorted(named & ({one.remove, one.add} - {""}))
        if not both or one.level != data["level"] or one.end <= data["start"] or data["end"] <= one.start:
            continue
        what = phrase(one.kind, one.users, one.remove, one.add)
        when = moves.when(one.start, one.end, call.zone)
        made = rota.changes.overrides.get(one.name)
        whose = f"{one.name}, made by {made.by}," if made else f"an override in {call.config.path}"
        cure = f"howdah override end {one.name}" if made else "end it there"
        raise Refused(
            f"{whose} names {' and '.join(both)} too: {what}, {when}",
            hint=f"{cure}, or give this one another --level",
        )


@command(
    "override list",
    "The overrides that are not over.",
    SCHEDULE,
    ALL,
    group="oncall",
    permission="read",
    writes=False,
)
def list_overrides(call: Call, schedule: str | None, all: bool) -> Reply:
    return _list(call, schedule, all)


def _list(call: Call, schedule: str | None, everything: bool) -> Reply:
    from chatops import changing

    rota = changing.listed(call)
    made = rota.changes.overrides
    names = list(
        dict.fromkeys([*rota.names(), *(one.schedule for one in made.values())])
    )  # also of one that is gone
    if schedule is not None:
        names = [schedule if schedule in names else changing.schedule_named(call, rota, schedule)]
    rows, documents = [], []
    for name in names:
        mine = [one for one in made.values() if one.schedule == name]
        written = rota.schedule(name, call.now).overrides if name in rota.names() else ()
        known = [one for one in written if one.name not in made]
        for one in [*known, *(one.override() for one in mine)]:
            if everything or (call.now < one.end and one.start < one.end):
                rows.append(_row(call, rota, name, one))
                documents.append(_document(call, rota, name, one))
    columns = (
        Column("name"), Column("schedule"), Column("what"), Column("from"), Column("to"), Column("by", grow=True),
    )  # fmt: skip
    return Reply(Table(columns, tuple(rows), empty="there is no override"), {"overrides": documents})


def _row(call: Call, rota: Rota, name: str, one: Override) -> tuple[str, ...]:
    from chatops import cards, changing
    from incidents.oncall.changes import phrase

    made = rota.changes.overrides.get(one.name)
    words = ": ".join(filter(None, (made.by, made.why))) if made else "the file"
    words += changing.ended(made) if made else ""
    words += "" if name in rota.names() else "; the schedule is gone"
    what = phrase(one.kind, one.users, one.remove, one.add) + (f", level {one.level}" if one.level else "")
    start, end = (cards.short_moment(at, call.zone, call.now) for at in (one.start, one.end))
    return one.name or "-", name, what, start, end, words


def _document(call: Call, rota: Rota, name: str, one: Override) -> dict[str, Any]:
    from chatops import moves

    made = rota.changes.overrides.get(one.name)
    return {
        "name": one.name or None,
        "schedule": name,
        "kind": one.kind,
        "start": moves.stamp(one.start),
        "end": moves.stamp(one.end),
        "level": one.level,
        "users": list(one.users),
        "remove": one.remove or None,
        "add": one.add or None,
        "by": made.by if made else None,
        "why": made.why if made else "",
        "ended_by": (made.ended_by or None) if made else None,
    }


@command(
    "override end", "End an override now; one that has not begun is cancelled.", NAME, WHY, group="oncall"
)
def end(call: Call, name: str, why: str | None) -> Reply:
    from chatops import changing, moves
    from incidents import clock
    from incidents.oncall.changes import MadeOverride

    def decide(rota: Rota) -> Decided:
        made: MadeOverride = changing.found(rota.changes.overrides, name, "override")
        changing.check_counts(call, made)
        return changing.Decided({"name": name, "end": clock.whole(call.now)}, why or "")

    done = changing.record(call, "oncall.override_ended", lambda known: known.data["name"] == name, decide)
    made = done.before.changes.overrides.get(name)
    moved = [(made.schedule, one) for one in done.moved(made.schedule, made.start, made.end)] if made else []
    said = f"{name} is {'ended' if made and made.start < done.event.at else 'cancelled'}"
    lines = moves.moves(moved, call.zone, named=False)
    return moves.reply(call, done, f"{said}: {made.words()}" if made else said, lines, moved)
