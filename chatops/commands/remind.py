"""When the people outside are to hear of it again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from chatops import params
from chatops.views import Column, Table
from chatops.vocabulary import Call, Reply, command

if TYPE_CHECKING:
    from collections.abc import Iterator

INCIDENT = params.incident()
UPDATE = "update"


@command(
    "remind list",
    "What is due when: of every open incident, and of swaps that nobody has taken.",
    group="incident",
    permission="read",
    writes=False,
)
def remind_list(call: Call) -> Reply:
    from chatops import cards
    from incidents import cadence

    rows, documents = [], []
    for row in call.store.incidents(status="open", mode="real"):
        promise = cadence.promise(call.store.events(row.name), call.config.updates)
        documents.append({"incident": row.name, **cadence.document(promise)})
        if promise.due is not None:
            at = cards.short_moment(promise.due, call.zone, call.now)
            rows.append((row.name, UPDATE, at, cadence.words(promise, call.now)))
    swaps = list(_swaps(call))
    for one in swaps:
        words = "nobody has taken it" + (", they were reminded" if one.reminded else "")
        rows.append((one.name, "swap", cards.short_moment(one.due, call.zone, call.now), words))
    columns = (Column("of"), Column("what"), Column("due"), Column("", grow=True))
    document = {"due": documents, "swaps": [one.document() for one in swaps]}
    return Reply(Table(columns, tuple(rows), empty="nothing is due"), document)


class _Owed(NamedTuple):
    """A swap of which somebody is reminded at `due` (µs)."""

    name: str
    due: int
    reminded: bool

    def document(self) -> dict[str, Any]:
        from incidents import clock

        return {"swap": self.name, "due": clock.iso(self.due), "reminded": self.reminded}


def _swaps(call: Call) -> Iterator[_Owed]:
    from chatops import changing, open_swaps

    for one in changing.rota(call).changes.swaps.values():
        if one.can_be_taken(call.now):
            yield _Owed(one.name, open_swaps.due_at(one), call.store.by_key(open_swaps.key(one)) is not None)


@command(
    "remind snooze",
    "No reminders for a while.",
    params.duration("length", "How long: 15m.", place=True, required=True),
    INCIDENT,
    group="incident",
)
def snooze(call: Call, length: int, incident: str | None) -> Reply:
    return _record(call, "reminder.snoozed", incident, until=call.now + length)


@command("remind stop", "No more reminders; what is due is still shown.", INCIDENT, group="incident")
def stop(call: Call, incident: str | None) -> Reply:
    return _record(call, "reminder.stopped", incident)


@command("remind start", "Reminders again.", INCIDENT, group="incident")
def start(call: Call, incident: str | None) -> Reply:
    return _record(call, "reminder.started", incident)


def _record(call: Call, kind: str, incident: str | None, **data: Any) -> Reply:
    from chatops import cards, which
    from incidents import timeline

    one = which.row_to_write(call, incident)
    (event,) = timeline.record(call.store, call.draft(one, kind, data={"what": UPDATE, **data}))
    said = None
    if kind == "reminder.snoozed":
        said = f"reminders are silent until {cards.short_moment(data['until'], call.zone, call.now)}"
    return cards.recorded(call, event, said)
