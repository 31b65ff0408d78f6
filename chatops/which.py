"""Which incident, run or runbook is meant (design section 6).

Writing words need an open one: none open is an error that tells how to declare, one is it, of several one must be
named (at a terminal: chosen). Reading words take the only open one, else the newest. Drills count for neither
unless they are named. Candidates come from the store's rows; what is decided on is the fold of the stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatops.views import Choice, Option
from incidents import lifecycle
from incidents.errors import BadInput, NotFound

if TYPE_CHECKING:
    from chatops.vocabulary import Call
    from incidents.lifecycle import Incident
    from incidents.store.protocol import IncidentRow
    from runbooks.document import Runbook


class Several(BadInput):
    """Several incidents are open."""

    code = "several_open"


def named(call: Call, name: str) -> Incident:
    """The incident of that name. Raises NotFound."""
    return lifecycle.fold(call.store.events(_row(call, name).name))


def to_write(call: Call, name: str | None) -> Incident:
    """The incident to change. Raises NotFound, Several; that a named one is closed is found by the record."""
    return lifecycle.fold(call.store.events(row_to_write(call, name).name))


def row_to_write(call: Call, name: str | None) -> IncidentRow:
    """As `to_write`, without reading the whole incident: for words that any incident allows.

    A call with a key that was used before is about the incident of that time.
    """
    if name is None and call.places.key is not None:
        known = call.store.by_key(call.places.key)
        if known is not None and call.store.incident(known.stream) is not None:
            name = known.stream
    name = name or call.who.incident
    if name is not None:
        return _row(call, name)
    open_ones = [row for row in call.store.incidents(status="open") if row.mode != "drill"]
    if not open_ones:
        last = next((f"; --incident {row.name} names the last" for row in newest(call, 1)), "")
        raise NotFound("no incident is open", hint=f"howdah declare TITLE opens one{last}")
    return _only(call, open_ones)


def to_read(call: Call, name: str | None) -> Incident:
    """The incident to look at. Raises NotFound, Several."""
    name = name or call.who.incident
    if name is not None:
        return named(call, name)
    open_ones = [row for row in call.store.incidents(status="open") if row.mode != "drill"]
    return lifecycle.fold(call.store.events((_only(call, open_ones) if open_ones else _last(call)).name))


def to_reopen(call: Call, name: str | None) -> Incident:
    """The incident to take up again: the named one, else the newest. Raises NotFound."""
    return named(call, name or call.who.incident or _last(call).name)


def _row(call: Call, name: str) -> IncidentRow:
    row = call.store.incident(name)
    if row is None:
        last = [row.name for row in newest(call, 3)]
        hint = f"there is {', '.join(last)}" if last else "no incident was ever declared here"
        raise NotFound(f"there is no incident {name} in {call.store.path}", hint=hint)
    return row


def _last(call: Call) -> IncidentRow:
    """The newest that is no drill. Raises NotFound."""
    for limit in (20, 1000):  # drills may have been played since
        for row in newest(call, limit):
            if row.mode != "drill":
                return row
    raise NotFound("no incident was ever declared here", hint="howdah declare TITLE opens one")


def newest(call: Call, limit: int) -> list[IncidentRow]:
    return call.store.incidents(limit=limit)


def _only(call: Call, rows: list[IncidentRow]) -> IncidentRow:
    if len(rows) == 1:
        return rows[0]
    options = tuple(Option(row.name, f"{row.severity} {row.status}: {row.title}") for row in rows[:9])
    picked = call.choose(Choice("Which incident?", options, "incident"))
    if picked is not None:
        return _row(call, picked)
    listed = "".join(f"\n  {row.name}  {row.severity} {row.status}  {row.title}" for row in rows[:9])
    more = f"\n  and {len(rows) - 9} more" if len(rows) > 9 else ""
    raise Several(
        f"{len(rows)} incidents are open:{listed}{more}", hint=f"name one: {_naming(call, rows[0].name)}"
    )


def _naming(call: Call, name: str) -> str:
    """How this command names an incident."""
    if any(param.name == "incident" and not param.place for param in call.command.params):
        return f"--incident {name}"
    return f"howdah {call.command.name} {name}"


def run(call: Call, name: str | None) -> str:
    """The run that was named, else the only one that has not ended. Raises NotFound, BadInput."""
    if name is not None:
        if call.store.run(name) is None:
            raise NotFound(
                f"there is no run {name}",
                hint="howdah status shows the open runs, howdah show INC all of an incident",
            )
        return name
    rows = call.store.runs(stream=call.who.incident, open_only=True)
    if not rows:
        raise NotFound("no run is open", hint="howdah run NAME starts one")
    if len(rows) > 1:
        raise BadInput(f"several runs are open: {', '.join(row.run for row in rows)}", hint="name one")
    return rows[0].run


def runbook(call: Call, name: str) -> Runbook:
    """The runbook of that name or path; that it hides others of its name is said. Raises NotFound, BadInput."""
    from runbooks import loader

    path, shadowed = loader.find(name, beside=call.config.path or None)
    if shadowed:
        call.warn(f"{path} shadows {', '.join(shadowed)}")
    return loader.load(path)
