"""Catch me up."""

from __future__ import annotations

from chatops import params
from chatops.views import Text
from chatops.vocabulary import Call, Reply, command


@command(
    "summary",
    "Catch me up: what hurts, what was tried, what runs, who does what, what is next.",
    params.incident(place=True),
    group="incident",
    permission="read",
    writes=False,
    details="At most 15 lines, from the record alone. What nobody wrote down is said to be unknown.",
)
def summary(call: Call, incident: str | None) -> Reply:
    from chatops import briefing, which
    from incidents import clock
    from runbooks import consent

    one = which.to_read(call, incident)
    runs = [consent.read_run(call.store, row.run) for row in call.store.runs(stream=one.name)]
    events = list(call.store.events(one.name))
    made = briefing.brief(events, runs, call.config.updates, call.zone, clock.read())
    return Reply(Text(made.text, exact=True), briefing.document(made, one), file=f"summary-{one.name}.txt")
