"""Somebody is woken, takes it, or the next one is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatops import params
from chatops.views import Column, Option, Table
from chatops.vocabulary import Call, Param, Reply, command

if TYPE_CHECKING:
    from chatops.paged import Named
    from incidents.escalation.pages import Page
    from incidents.escalation.policy import Policy
    from incidents.events import Event


def _named(value: str, call: Call) -> Named:
    from chatops.paged import Named
    from incidents.errors import BadInput

    incident, mark, number = value.strip().rpartition("#")
    if not mark or not incident:  # `inc-7`, or `#7` as other words take it
        return Named(params.incident().parse(value, call), None)
    if not (number.isascii() and number.isdecimal()) or len(number) > 15:
        raise BadInput(f"{value!r} is not a page", hint="write inc-7#12, or inc-7 for all of that incident")
    return Named(params.incident().parse(incident, call), int(number))


def _known(start: str, call: Call) -> list[Option]:
    from chatops import paged

    running = [page for page in paged.of(call, None) if not page.over]
    return params.fitting([Option(page.name, page.target) for page in running], start, call)


def _targets(start: str, call: Call) -> list[Option]:
    config = call.config
    options = [
        *(Option(name, "policy") for name in config.escalation),
        *(Option(person.name, person.full_name or "person") for person in config.people),
        *(Option(name, "schedule") for name in config.schedules if name not in config.escalation),
    ]
    return params.fitting(options, start, call)


PAGE = Param(
    "page", "page", "Which page: inc-7#12, or inc-7 for all of that incident.", _named, _known,
    place=True, metavar="PAGE|INC",
)  # fmt: skip
TARGET = params.text("target", "A policy of escalation:, a person, or a schedule.", place=True)
INCIDENT = params.incident()


@command(
    "page",
    "Wake somebody for the incident; without a name: list.",
    TARGET._replace(complete=_targets, metavar="POLICY|PERSON|SCHEDULE"),
    params.text("message", "What they are to know.", short="m"),
    INCIDENT,
    group="oncall",
    last_good=True,
    details="A policy goes from step to step until somebody acknowledges. A person or a schedule alone is paged three"
    " times, five minutes apart. docs/paging.md has the rules.",
)
def page(call: Call, target: str | None, message: str | None, incident: str | None) -> Reply:
    if target is None:
        return _list(call, incident)
    from chatops import cards, paged, timers, which
    from incidents import answering, timeline
    from incidents.escalation import pages

    policy = _policy(call, target)
    one = which.row_to_write(call, incident)
    paged.must_wake(call, one.name)
    data = pages.facts(policy.name, policy)
    draft = call.draft(one, "page.started", data=data, body=message or "", importance="high")
    (event,) = timeline.record(call.store, draft)
    made = timers.at_once(call)
    first = policy.steps[0]
    named = [first.name] if first.what == "person" and not made else []  # else what came of it says who rests
    _, rests = answering.awake(call.store, named, call.now)
    more = "\n".join(filter(None, (rests, f"next: howdah ack {one.name}#{event.seq}")))
    return cards.recorded(call, event, more=_came_of(made, more))


def _policy(call: Call, word: str) -> Policy:
    """What the word means: a policy, else a person, else a schedule. Raises NotFound."""
    from incidents.errors import NotFound
    from incidents.escalation import policy
    from incidents.near import near

    config = call.config
    if word in config.escalation:
        return config.escalation[word]
    person = config.people.find(call.who.person or "" if word == "me" else word.removeprefix("@"))
    if person is not None:
        return policy.alone("person", person.name)
    if word in config.schedules:
        return policy.alone("schedule", word)
    close = near(word, [*config.escalation, *config.people.names(), *config.schedules])
    hint = (
        f"did you mean {close}?" if close else "escalation:, people: and schedules: of howdah.yaml name them"
    )
    raise NotFound(f"there is no policy, person or schedule {word!r}", hint=hint)


def _came_of(made: list[Event], more: str) -> str:
    from incidents import telling

    told = [telling.sentence(event) for event in made if event.kind not in ("page.started", "page.sending")]
    return "\n".join(filter(None, (*told, more)))


@command(
    "page list",
    "Who is paged, and what came of it.",
    INCIDENT,
    group="oncall",
    permission="read",
    writes=False,
    last_good=True,
)
def page_list(call: Call, incident: str | None) -> Reply:
    return _list(call, incident)


def _list(call: Call, incident: str | None) -> Reply:
    from chatops import cards, paged

    found = paged.of(call, incident)
    rows = tuple(
        (
            one.name,
            one.target,
            cards.short_moment(one.began.at, call.zone, call.now),
            _state(one),
            ", ".join(one.people()) or "nobody yet",
        )
        for one in found
    )
    columns = (Column("page"), Column("of"), Column("began"), Column("state"), Column("people", grow=True))
    table = Table(
        columns, rows, empty="nobody is being paged", tones=tuple("quiet" if p.over else "" for p in found)
    )
    return Reply(table, {"pages": [_document(one) for one in found]})


def _state(page: Page) -> str:
    from incidents import telling

    if page.over == "acknowledged" and page.ended_by is not None:
        return f"{telling.who(page.ended_by)} has it"
    if page.over:
        return page.over
    steps = len(page.policy.steps)
    n = page.fired[-1].n if page.fired else 0
    return f"step {n % steps + 1} of {steps}" + (f", pass {n // steps + 1}" if page.policy.repeat else "")


def _document(page: Page) -> dict[str, Any]:
    from incidents import clock, telling

    acknowledged = page.over == "acknowledged" and page.ended_by is not None
    return {
        "page": page.name,
        "incident": page.stream,
        "target": page.target,
        "message": page.text,
        "by": page.by,
        "mode": page.mode,
        "began_at": clock.iso(page.began.at),
        "state": page.over or "running",
        "people": page.people(),
        "unreachable": sorted({person for _, person in page.unreachable}),
        "acknowledged_by": telling.who(page.ended_by) if acknowledged and page.ended_by else None,
        "ended_at": clock.iso(page.ended_by.at) if page.ended_by else None,
    }


@command("ack", "You take it: nobody else is paged for it.", PAGE, group="oncall", last_good=True)
def ack(call: Call, page: Named | None) -> Reply:
    from chatops import cards, paged, taking
    from incidents import telling, timeline
    from incidents.errors import AlreadyAnswered
    from incidents.escalation import pages
    from incidents.store.protocol import KeyUsed

    events: list[Event] = []
    before = ""
    for one in paged.meant(call, page, ("", "exhausted"), again=True):
        if any(event.stream == one.stream and event.data.get("page") == one.number for event in events):
            continue  # over with the one before it
        handed = taking.asked_by(call, one)
        if handed is not None:  # it asked for this: whoever takes the page takes over
            made = taking.accept(call, handed)
            events += sorted(made, key=lambda event: event.kind != "page.acknowledged")
            continue
        draft = call.draft(
            one.stream,
            "page.acknowledged",
            data={"page": one.number},
            mode=one.mode,
            key=pages.key(one, "ack"),
        )
        try:
            events += timeline.record(call.store, draft)
        except KeyUsed as error:  # somebody was faster
            if error.event.actor.id != call.actor.id:
                raise AlreadyAnswered(paged.taken(one, error.event)) from None
            events.append(error.event)
            before = f"page #{one.number} acknowledged  (recorded before)"
    too = [f"{event.stream} #{event.seq}  {telling.sentence(event)}" for event in events[1:]]
    return cards.recorded(call, events[0], before or None, more="\n".join(too))


@command("escalate", "The next step now, without waiting.", PAGE, group="oncall", last_good=True)
def escalate(call: Call, page: Named | None) -> Reply:
    from chatops import cards, paged, timers
    from incidents import timeline
    from incidents.errors import BadInput, Refused
    from incidents.escalation import pages

    found = paged.meant(call, page, ("",))
    if len(found) > 1:
        listed = ", ".join(f"{one.name} ({one.target})" for one in found)
        raise BadInput(f"several pages go on: {listed}", hint=f"howdah escalate {found[0].name}")
    (one,) = found
    if not one.fired:
        raise Refused(f"{one.name} has only begun: its first step is due", hint="howdah serve sends it")
    n = one.fired[-1].n
    if n + 1 >= one.steps:
        raise Refused(f"{one.name} is at its last step", hint="howdah page NAME pages somebody else")
    draft = call.draft(
        one.stream, "page.escalated", data={"page": one.number, "n": n}, mode=one.mode,
        key=pages.key(one, "escalate", n),
    )  # fmt: skip
    (event,) = timeline.record(call.store, draft)
    return cards.recorded(call, event, more=_came_of(timers.at_once(call), ""))
