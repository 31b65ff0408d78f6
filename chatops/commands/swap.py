"""A shift that somebody offers and somebody else takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatops import params
from chatops.views import Column, Table
from chatops.vocabulary import Call, Reply, command

if TYPE_CHECKING:
    from chatops.changing import Asked, Decided
    from incidents.events import Event
    from incidents.oncall.changes import MadeSwap
    from incidents.oncall.versions import Rota

SCHEDULE = params.schedule(help="Which schedule, where there are several.", place=True)
WHY = params.text("why", "Why.")
NAME = params.change("sw", "Which swap: sw-1, as lists show it.", required=True)


@command(
    "swap offer",
    "Offer your time on call, your next shift or any other; it stays yours until somebody takes it.",
    SCHEDULE,
    params.instant(
        "from_", "Where it begins: 14:05, +3h, 2022-11-12T09:00, or with Z. Else your next shift."
    ),
    params.instant("to", "Where it ends, in the same way."),
    params.person("person", "Whose time; else yours."),
    WHY,
    group="oncall",
)
def offer(
    call: Call, schedule: str | None, from_: int | None, to: int | None, person: str | None, why: str | None
) -> Reply:
    from chatops import changing, moves

    giver = person or changing.me(call)
    asked = changing.Asked(from_, to)

    def decide(rota: Rota) -> Decided:
        name = changing.schedule_named(call, rota, schedule, giver)
        start, end = _span(call, rota, name, giver, asked)
        for one in rota.changes.swaps.values():
            if (one.schedule, one.giver) == (name, giver) and one.can_be_taken(call.now):
                _check_overlap(call, one, start, end)
        return changing.Decided({"schedule": name, "person": giver, "start": start, "end": end}, why or "")

    def same(known: Event) -> bool:
        data = known.data
        return schedule in (None, data["schedule"]) and data["person"] == giver and asked.agrees(call, known)

    done = changing.record(call, "oncall.swap_offered", same, decide)
    made = done.after.changes.swaps.get(done.name)
    if made is None:
        return moves.reply(call, done, "", (), [])
    lines = [
        moves.when(made.start, made.end, call.zone),
        f"until somebody takes it, it stays with {made.giver}: howdah swap take {made.name}",
    ]
    said = f"{made.name}  {made.giver} offers {made.schedule}"
    return moves.reply(call, done, said, lines, [], document={"swap": _document(made, call.now)})


def _span(call: Call, rota: Rota, name: str, giver: str, asked: Asked) -> tuple[int, int]:
    """What is offered: as asked, else the next shift. Raises BadInput, Refused where it is not theirs to give."""
    from chatops import changing
    from incidents import clock
    from incidents.errors import BadInput

    if asked.start is None and asked.end is None:
        now = clock.whole(call.now)
        ahead = now + changing.AHEAD
        shifts = changing.times_of(rota.shifts(name, now, ahead), giver)
        mine = changing.layer_times(rota, name, giver, now, ahead)
        for start, end in sorted(shifts or mine, key=lambda span: span[0] <= now):
            for a, b in mine:
                if a < end and start < b:
                    return max(a, start), min(b, end)
        raise _nothing_to_give(call, rota, name, giver, now, ahead)
    if asked.end is None:
        raise BadInput("until when?", hint="give --to TIME; without --from and --to it is your next shift")
    start, end = asked.span(call, call.now)
    if not changing.layer_times(rota, name, giver, start, min(end, start + changing.AHEAD)):
        raise _nothing_to_give(call, rota, name, giver, start, end)
    return start, end


def _nothing_to_give(call: Call, rota: Rota, name: str, giver: str, start: int, end: int) -> Exception:
    from chatops import moves
    from incidents.errors import Refused

    what = f"{giver} has no time in {name} to give: {moves.when(start, end, call.zone)}"
    for one in rota.schedule(name, start).overrides:
        if giver in (one.add, *one.users) and one.start < end and start < one.end:
            cure = f"howdah override end {one.name}" if one.name else f"change {call.config.path}"
            return Refused(f"{what}; an override puts them on call", hint=cure)
    return Refused(what, hint=f"howdah oncall next {giver} shows their shifts")


def _check_overlap(call: Call, one: MadeSwap, start: int, end: int) -> None:
    from chatops import moves
    from incidents.errors import Refused

    if one.start < end and start < one.end:
        raise Refused(
            f"{one.name} offers some of that time already: {moves.when(one.start, one.end, call.zone)}",
            hint=f"howdah swap withdraw {one.name}, then offer it anew",
        )


@command(
    "swap take",
    "Take the time that somebody offers; of a shift that runs already, what remains.",
    NAME,
    params.person("person", "Who takes it; else you."),
    WHY,
    group="oncall",
)
def take(call: Call, name: str, person: str | None, why: str | None) -> Reply:
    from chatops import changing, moves
    from incidents import clock

    taker = person or changing.me(call)

    def decide(rota: Rota) -> Decided:
        _check_take(call, rota, changing.found(rota.changes.swaps, name, "swap"), taker)
        return changing.Decided({"name": name, "person": taker, "start": clock.whole(call.now)}, why or "")

    def same(known: Event) -> bool:
        return (known.data["name"], known.data["person"]) == (name, taker)

    done = changing.record(call, "oncall.swap_taken", same, decide)
    made = done.after.changes.swaps.get(name)
    if made is None or not made.to:
        return moves.reply(call, done, f"{name} is taken by {taker}", (), [])
    start = max(made.start, made.since)
    moved = [(made.schedule, one) for one in done.moved(made.schedule, start, made.end)]
    lines = [moves.when(start, made.end, call.zone), *moves.moves(moved, call.zone, named=False)]
    if not moved:
        lines.append(f"it moves nobody as things stand: {made.giver} is not on call then, or {taker} is too")
    said = f"{made.name}  {made.schedule}: {made.to} takes it from {made.giver}"
    return moves.reply(call, done, said, lines, moved, document={"swap": _document(made, call.now)})


def _check_take(call: Call, rota: Rota, made: MadeSwap, taker: str) -> None:
    """Raises Refused where it is taken, withdrawn, over, their own, or they are absent then."""
    from chatops import changing, moves
    from incidents.errors import AlreadyAnswered, IllegalTransition, Refused

    open_ones = "howdah swap list shows what is open"
    if made.to:
        raise AlreadyAnswered(f"{made.to} has taken {made.name} already", hint=open_ones)
    if made.withdrawn:
        raise IllegalTransition(f"{made.name} was withdrawn by {made.ended_by}", hint=open_ones)
    if not made.can_be_taken(call.now):
        over = moves.when(made.start, made.end, call.zone)
        raise IllegalTransition(f"{made.name} is over: {over}", hint=open_ones)
    if taker == made.giver:
        hint = f"howdah swap withdraw {made.name} takes it back"
        raise Refused(f"{made.name} is offered by {taker}: somebody else must take it", hint=hint)
    for one in changing.absent(rota, made.schedule, taker, max(made.start, call.now), made.end):
        cure = f"howdah absence end {one.name}" if one.name else f"change {call.config.path}"
        away = moves.when(one.start, one.end, call.zone)
        raise Refused(f"{taker} is absent then: {away}", hint=f"{cure}, or let somebody else take it")


@command("swap withdraw", "Offer it no longer.", NAME, WHY, group="oncall")
def withdraw(call: Call, name: str, why: str | None) -> Reply:
    from chatops import changing, moves
    from incidents.errors import AlreadyAnswered, IllegalTransition

    def decide(rota: Rota) -> Decided:
        made = changing.found(rota.changes.swaps, name, "swap")
        if made.withdrawn:
            raise IllegalTransition(f"{name} was withdrawn by {made.ended_by} already")
        if made.to:
            span = f"--from {moves.stamp(made.start)} --to {moves.stamp(made.end)}"
            raise AlreadyAnswered(
                f"{made.to} has taken {name} already",
                hint=f"they can give it back: howdah swap offer {made.schedule} {span} --person {made.to}",
            )
        return changing.Decided({"name": name}, why or "")

    done = changing.record(call, "oncall.swap_withdrawn", lambda known: known.data["name"] == name, decide)
    made = done.after.changes.swaps.get(name)
    said = f"{name} is withdrawn" + (f": {made.schedule} stays with {made.giver}" if made else "")
    return moves.reply(call, done, said, (), [])


@command(
    "swap list",
    "What is offered and what was taken.",
    params.flag("all", "Those that are over or withdrawn too."),
    group="oncall",
    permission="read",
    writes=False,
)
def list_swaps(call: Call, all: bool) -> Reply:
    from chatops import cards, changing

    rows, documents = [], []
    for one in changing.listed(call).changes.swaps.values():
        if not all and (one.withdrawn or one.end <= call.now):
            continue
        status = one.status(call.now).replace("_", " ")
        status = {"deleted": "withdrawn", "taken": f"taken by {one.to}"}.get(status, status)
        start, end = (cards.short_moment(at, call.zone, call.now) for at in (one.start, one.end))
        rows.append((one.name, one.schedule, one.giver, start, end, status, one.why))
        documents.append(_document(one, call.now))
    columns = (
        Column("name"), Column("schedule"), Column("whose"), Column("from"), Column("to"), Column("status"),
        Column("why", grow=True),
    )  # fmt: skip
    return Reply(Table(columns, tuple(rows), empty="nothing is offered"), {"swaps": documents})


def _document(one: MadeSwap, now: int) -> dict[str, Any]:
    from chatops import moves

    return {
        "name": one.name,
        "schedule": one.schedule,
        "from": one.giver,
        "to": one.to or None,
        "start": moves.stamp(max(one.start, one.since)),
        "end": moves.stamp(one.end),
        "status": one.status(now),
        "by": one.by,
        "why": one.why,
    }
