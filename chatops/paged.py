"""Which page is meant, and whether an incident may wake people at all."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

from incidents import telling
from incidents.errors import AlreadyAnswered, BadInput, NotFound, Refused
from incidents.escalation import pages

if TYPE_CHECKING:
    from chatops.vocabulary import Call
    from incidents.escalation.pages import Page
    from incidents.events import Event

MODES = {"drill": "a drill", "retrospective": "recorded afterwards"}


class Named(NamedTuple):
    """A page as a person names it: all of an incident's, or the one with that number."""

    incident: str
    number: int | None


def may_page(declared: Event) -> bool:
    """Whether the incident that this event declared may page people."""
    return declared.mode == "real" or (declared.mode == "drill" and bool(declared.data.get("page_real")))


def must_wake(call: Call, incident: str) -> None:
    """Raises Refused for a drill that was not declared so, and for what is recorded afterwards."""
    declared = call.store.read(incident, limit=1)[0]
    if not may_page(declared):
        drill = declared.mode == "drill"
        hint = (
            "howdah declare --drill --page-real opens one that may"
            if drill
            else "howdah declare opens one that may"
        )
        raise Refused(f"{incident} is {MODES[declared.mode]}, so it wakes nobody", hint=hint)


def of(call: Call, incident: str | None) -> list[Page]:
    """The pages of that incident, of the one in whose thread the call is given, else of all that are open; the oldest
    first."""
    name = incident or call.who.incident
    if name is not None and call.store.incident(name) is None:
        raise NotFound(f"there is no incident {name}", hint="howdah list shows them")
    names = (
        [name] if name is not None else [row.name for row in reversed(call.store.incidents(status="open"))]
    )
    return [page for one in names for page in pages.fold(call.store.events(one)).values()]


def meant(call: Call, named: Named | None, states: Collection[str], *, again: bool = False) -> list[Page]:
    """The pages in one of `states` that are named; without a name all of the one incident that has any, else those
    that meant the person who asks. With `again` also the one that this person acknowledged last, where there is no
    other. Raises NotFound, AlreadyAnswered, BadInput."""
    known = of(call, named.incident if named else None)
    if named is not None and named.number is not None:
        known = [page for page in known if page.number == named.number]
        if not known:
            raise NotFound(
                f"there is no page {named.incident}#{named.number}", hint="howdah page list shows them"
            )
    found = [page for page in known if page.over in states]
    if not found and again:
        found = [page for page in known if page.over == "acknowledged" and _by(page) == call.actor.id][-1:]
    if not found:
        _nothing(known)
    if named is None and len({page.stream for page in found}) > 1:
        mine = [page for page in found if (call.who.person or call.actor.id) in page.people()]
        if len({page.stream for page in mine}) != 1:
            listed = ", ".join(f"{page.name} ({page.target})" for page in found)
            raise BadInput(f"several incidents page somebody: {listed}", hint=f"name one: {found[0].name}")
        found = mine
    return found


def _nothing(known: list[Page]) -> None:
    """Raises what says best why there is no such page."""
    last = known[-1] if known else None
    if last is not None and last.over == "acknowledged" and last.ended_by is not None:
        raise AlreadyAnswered(taken(last, last.ended_by))
    if last is not None and last.over:
        raise NotFound(f"{last.name} is over: {last.over}", hint="howdah page NAME pages again")
    raise NotFound("nobody is being paged", hint="howdah page NAME pages somebody")


def _by(page: Page) -> str:
    return page.ended_by.actor.id if page.ended_by is not None else ""


def taken(page: Page, event: Event) -> str:
    from incidents import clock

    return f"{telling.who(event)} acknowledged {page.name} at {clock.iso(event.at, precision='minutes')}"
