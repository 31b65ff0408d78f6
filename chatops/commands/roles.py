"""Who does what in the incident."""

from __future__ import annotations

from chatops import params
from chatops.params import When
from chatops.views import Column, Table
from chatops.vocabulary import Call, Reply, command


@command(
    "role",
    "Show who has which role; with ROLE and PERSON: give it.",
    params.text("role", "commander, comms, scribe or any other word.", place=True),
    params.person("person", "Who takes it; me is you.", place=True),
    params.flag("release", "They have it no longer."),
    params.time(),
    params.incident(),
    group="people",
    last_good=True,
)
def role(
    call: Call, role: str | None, person: str | None, release: bool, at: When | None, incident: str | None
) -> Reply:
    from chatops import cards, instead, which
    from incidents import timeline
    from incidents.errors import BadInput

    if role is None:
        return _show(call, incident)
    instead.same_rules(call)
    role = role.lower()
    if len(role) > 40 or not role.replace("-", "").isalnum():
        raise BadInput(f"{role!r} is not a role", hint="one word: commander, comms, scribe")
    one = which.to_write(call, incident)
    holders = one.roles.get(role, [])
    if person is None:
        if not release or len(holders) != 1:
            raise BadInput(f"who is {role}?", hint=f"howdah role {role} me")
        person = holders[0]
    kind = "role.released" if release else "role.assigned"
    (event,) = timeline.record(
        call.store, call.draft(one, kind, data={"role": role, "person": person}, **params.happened(at))
    )
    others = [holder for holder in holders if holder != person]
    more = (
        ""
        if release or not others
        else f"{role} is also {', '.join(others)}: howdah role {role} {others[0]} --release"
    )
    return cards.recorded(call, event, given=at is not None, more=more)


def _show(call: Call, incident: str | None) -> Reply:
    from chatops import which

    one = which.to_read(call, incident)
    rows = tuple((role, ", ".join(people)) for role, people in one.roles.items() if people)
    table = Table((Column("role"), Column("who", grow=True)), rows, empty=f"nobody has a role in {one.name}")
    roles = [{"role": role, "people": list(people)} for role, people in one.roles.items() if people]
    return Reply(table, {"incident": one.name, "roles": roles})
