"""What a pressed button means: which command, about what, and whether the world has moved on since it was drawn.

A button in a chat outlives what it was made for. Its custom_id, `hd:INCIDENT:SEQ:WORD`, holds the event it is about
and the word that is said to it; all else is read from the record at the moment of the press, so that a restart, an
old message or a second person changes nothing. A `+` at the end: a form is asked for first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from chatops import cards
from incidents import clock, telling
from incidents.errors import BadInput, HowdahError, NotFound, Refused
from incidents.events import Event

if TYPE_CHECKING:
    from chatops.dispatch import Raw
    from chatops.views import Button
    from chatops.vocabulary import Front, Places, Reply
    from incidents.store.protocol import Store

LONGEST_ID = 100  # characters of a custom_id that every chat takes

#: word -> command, of an answer to a question
ANSWERS = {
    "yes": "confirm", "skip": "skip", "done": "done", "retry": "retry", "beside": "retry", "wait": "wait",
    "abort": "abort", "stop": "stop", "approve": "approve", "decline": "decline",
}  # fmt: skip
GO_ON = ("yes", "approve", "done", "retry", "beside")
RUN_WORDS = ("pause", "resume", "abort", "stop")
#: word -> command, of what is said to the incident
INCIDENT_WORDS = {"resolve": "resolve", "note": "note", "commander": "role"}
MANY_TIMES = ("note", "commander")  # said as often as wanted while the incident is open

#: kinds that change how an incident stands
INCIDENT_STATES = (
    "incident.declared", "incident.severity", "incident.status", "incident.mitigated", "incident.resolved",
    "incident.reopened", "incident.cancelled",
)  # fmt: skip
RUN_STATES = {
    "run.started": "running", "run.parked": "parked", "run.paused": "paused", "run.resumed": "running",
    "run.ended": "ended", "undo.started": "running",
}  # fmt: skip


class Stale(Refused):
    """This button is older than what has happened since."""

    code = "stale"

    def __init__(self, what: str, event: Event | None = None):
        self.event = event  # what has happened, where one event says it
        super().__init__(f"already moved on: {what}")


class Pressed(NamedTuple):
    """What a custom_id says."""

    incident: str
    seq: int
    word: str
    form: bool = False


class Press(NamedTuple):
    """The command to carry out, with raw values by parameter. `key` is empty where the press's own will do."""

    command: str
    raw: dict[str, str | bool]
    key: str


# -- custom_id -----------------------------------------------------------------------------------------------


def custom_id(button: Button) -> str:
    """`hd:inc-1:57:yes`, at most LONGEST_ID characters. Raises ValueError for a button that is about nothing."""
    text = f"hd:{button.incident}:{button.seq}:{button.word}{'+' if button.form else ''}"
    if parse(text) is None:
        raise ValueError(f"no chat can carry this button: {button!r}")
    return text


_CUSTOM_ID = re.compile(r"hd:(inc-[1-9][0-9]{0,11}):([1-9][0-9]{0,14}):([a-z]{1,20})(\+?)", re.ASCII)


def parse(text: str) -> Pressed | None:
    """What a custom_id says; None where it is not one of ours."""
    match = _CUSTOM_ID.fullmatch(text) if len(text) <= LONGEST_ID else None
    return match and Pressed(match[1], int(match[2]), match[3], bool(match[4]))


# -- meaning -------------------------------------------------------------------------------------------------


def meaning(store: Store, incident: str, seq: int, word: str) -> Press:
    """What `word`, said to event `seq` of `incident`, means now.

    `seq` is a `question.asked` for an answer; for a run the event that changed its state last, for `stop` the start
    of the attempt that is to be stopped; for an incident its last change of state. Raises Stale, and NotFound or
    BadInput for a button that this record never drew.
    """
    about = next(iter(store.read(incident, after=seq - 1, limit=1)), None)
    if about is None or about.seq != seq:
        raise NotFound(f"there is no {incident} #{seq} here", hint="this button is of another record")
    if about.kind == "question.asked" and word in ANSWERS:
        return _answer(store, about, word)
    if about.run is not None and word in RUN_WORDS:
        return _to_run(store, about, word)
    if about.kind in INCIDENT_STATES and word in INCIDENT_WORDS:
        return _to_incident(store, about, word)
    if about.kind == "page.started" and word == "ack":
        return _to_page(store, about)
    raise BadInput(f"{word!r} cannot be said to {incident} #{seq} ({about.kind})")


def _answer(store: Store, asked: Event, word: str) -> Press:
    from runbooks import consent

    question, path = str(asked.data.get("question")), str(asked.data.get("path"))
    later = [event for event in since(store, asked) if event.run == asked.run]
    key = consent.key(question)
    for event in later:
        if event.kind in ("question.answered", "question.void") and (
            event.key == key or event.data.get("question") == question
        ):
            raise _moved_from_question(event, later)
    if ended := next((event for event in later if event.kind == "run.ended"), None):
        raise Stale(_run_sentence(ended, later), ended)
    options = asked.data.get("options", ())
    if ("retry" if word == "beside" else word) not in options:
        raise BadInput(f"{asked.run}/{path} asks for {', '.join(options)}, not for {word}")
    if word in RUN_WORDS:
        return _keyed(store, asked, word, {"run": str(asked.run)})
    raw: dict[str, str | bool] = {"step": f"{asked.run}/{path}"}
    if word == "beside":
        raw["beside"] = True
    if word == "approve":
        raw["gate"] = str(asked.data.get("shows", {}).get("gate", ""))
        key = ""  # several people answer this one
    return Press(ANSWERS[word], raw, key)


def _moved_from_question(event: Event, later: Sequence[Event]) -> Stale:
    if event.kind == "question.answered":
        answer = str(event.data.get("answer", "")).replace("-", " ") or "it"
        return Stale(f"{telling.who(event)} answered {answer} {_when(event)}", event)
    asked_for = _last_request(later, event)
    if asked_for is not None:
        return Stale(_request_sentence(asked_for), asked_for)
    return Stale(f"the question was taken back {_when(event)}", event)


def _to_run(store: Store, about: Event, word: str) -> Press:
    run = str(about.run)
    later = [event for event in since(store, about) if event.run == run]
    if word == "stop" and about.kind == "step.started":
        for event in later:
            if event.kind == "step.ended" and event.data.get("n") == about.data.get("n"):
                name = event.data.get("name") or event.data.get("path")
                raise Stale(f"{name} has ended: {event.data.get('status')} {_when(event)}", event)
    else:
        state = RUN_STATES.get(about.kind, "running")
        for event in later:
            if state_after(state, event) != state or event.kind in RUN_STATES:
                last = [one for one in later if one.kind in RUN_STATES or one is event][-1]
                raise Stale(_run_sentence(last, later), last)
    attempt = [str(event.data.get("n")) for event in later if event.kind == "step.started"][-1:]
    suffix = attempt if word == "stop" and about.kind != "step.started" else []
    return _keyed(store, about, word, {"run": run}, *suffix)


def _to_incident(store: Store, about: Event, word: str) -> Press:
    name = about.stream
    changes = [event for event in since(store, about) if event.kind in INCIDENT_STATES]
    last = changes[-1] if changes else about
    closed = last.kind in ("incident.resolved", "incident.cancelled")
    if closed or (changes and word not in MANY_TIMES):
        raise Stale(_incident_sentence(last), last)
    raw: dict[str, str | bool] = {"incident": name}
    if word == "commander":
        raw |= {"role": "commander", "person": "me"}
    if word in MANY_TIMES:
        return Press(INCIDENT_WORDS[word], raw, "")
    return _keyed(store, about, word, raw)


def _to_page(store: Store, about: Event) -> Press:
    """An acknowledgement has a key of its own in the record, whoever gives it and wherever."""
    from incidents.escalation import pages

    name = f"{about.stream}#{about.seq}"
    page = pages.fold(store.events(about.stream)).get(about.seq)
    if page is None:
        raise BadInput(f"{name} is no page any more", hint="what began it is redacted")
    if page.over not in ("", "exhausted") and page.ended_by is not None:
        event = page.ended_by
        taken = f"{telling.who(event)} acknowledged {name} {_when(event)}"
        raise Stale(taken if page.over == "acknowledged" else _incident_sentence(event), event)
    return Press("ack", {"page": name}, "")


def _keyed(store: Store, about: Event, word: str, raw: dict[str, str | bool], *more: str) -> Press:
    """The press with a key of its own, so that two clicks are one event. Raises Stale where that exists."""
    key = ":".join(("press", about.stream, str(about.seq), word, *more))
    done = store.by_key(key)
    if done is not None:
        said = _request_sentence(done) if done.kind == "run.request" else _incident_sentence(done)
        raise Stale(said, done)
    command = ANSWERS.get(word) or INCIDENT_WORDS.get(word) or word
    return Press(command, raw, key)


def since(store: Store, about: Event) -> Iterator[Event]:
    """The events of its stream after `about`."""
    seen = about.seq
    while page := store.read(about.stream, after=seen):
        yield from page
        seen = page[-1].seq


def state_after(state: str, event: Event) -> str:
    """How a run stands after one more event of it: running, parked, paused or ended."""
    if state == "parked" and event.kind in ("step.started", "question.answered"):
        return "running"
    return RUN_STATES.get(event.kind, state)


# -- what has happened ---------------------------------------------------------------------------------------


def _when(event: Event) -> str:
    """`at 14:05 UTC`, with its day where that is not today."""
    return f"at {cards.short_moment(event.at, 'UTC', clock.wall())} UTC"


def _last_request(events: Iterable[Event], before: Event) -> Event | None:
    """The last thing that a person asked of the run up to `before`."""
    found = [one for one in events if one.kind == "run.request" and one.seq <= before.seq]
    return found[-1] if found else None


def _request_sentence(event: Event) -> str:
    what = str(event.data.get("what", "something")).replace("abort-undo", "abort with undo")
    return f"{telling.who(event)} asked for {what} {_when(event)}"


def _run_sentence(event: Event, later: Sequence[Event]) -> str:
    run, when = event.run, _when(event)
    if event.kind == "run.ended":
        return f"{run} ended {event.data.get('status', '')} {when}".replace("  ", " ")
    asked_for = _last_request(later, event)
    why = f"; {_request_sentence(asked_for)}" if asked_for is not None else ""
    if event.kind == "run.parked":
        return f"{run} waits for a person since {when.removeprefix('at ')}"
    if event.kind == "run.paused":
        return f"{run} is paused since {when.removeprefix('at ')}{why}"
    if event.kind == "undo.started":
        return f"{run} is being undone since {when.removeprefix('at ')}{why}"
    if event.kind == "question.answered":
        return f"{telling.who(event)} answered {event.data.get('answer', '')} {when}"
    return f"{run} goes on since {when.removeprefix('at ')}"


def _incident_sentence(event: Event) -> str:
    by = f"{telling.who(event)} {_when(event)}"
    if event.kind in ("incident.resolved", "incident.cancelled", "incident.mitigated"):
        return f"{event.stream} is {event.kind.partition('.')[2]}, by {by}"
    return f"{event.stream}: {telling.sentence(event)}, by {by}"


# -- carrying it out -----------------------------------------------------------------------------------------


def carry_out(
    pressed: Pressed, front: Front, places: Places, *, store: Store, by: str, given: Raw | None = None
) -> Reply:
    """Do what was pressed by the actor `by`; `given` is what a form asked. Never raises but for an interrupt.

    Of two presses one is recorded: the same person reads that it is, another one who was first.
    """
    from chatops import dispatch

    try:
        meant = meaning(store, pressed.incident, pressed.seq, pressed.word)
    except HowdahError as error:
        return late(error, pressed, by)
    raw: dict[str, Any] = {**(given or {}), **meant.raw}
    key = meant.key or places.key
    reply = dispatch.run(dispatch.find(meant.command), raw, front, places._replace(key=key), store=store)
    if _code(reply) not in _LOST:
        if not reply.error and pressed.word in GO_ON and (abort := _aborted(store, pressed)) is not None:
            front.warn(_request_sentence(abort))  # both stand in the record, the abort is what counts
        return reply
    try:  # somebody may have been faster between the look and the record
        meaning(store, pressed.incident, pressed.seq, pressed.word)
    except HowdahError as error:
        return late(error, pressed, by)
    return reply


def _aborted(store: Store, pressed: Pressed) -> Event | None:
    """An abort of the run that was asked for since the question was."""
    for about in store.read(pressed.incident, after=pressed.seq - 1, limit=1):
        for event in since(store, about):
            asked_for = str(event.data.get("what", "")) if event.kind == "run.request" else ""
            if event.run == about.run and asked_for.startswith("abort"):
                return event
    return None


_LOST = ("key_conflict", "already_answered", "refused", "illegal_transition", "incident_closed", "not_found")


def _code(reply: Reply) -> str:
    error: Mapping[str, Any] = (reply.document or {}).get("error", {}) if reply.error else {}
    return str(error.get("code", ""))


def late(error: HowdahError, pressed: Pressed, by: str) -> Reply:
    """The answer to a press that `meaning` refused; no error where the same person had said the same before."""
    from chatops import dispatch
    from chatops.vocabulary import Reply

    event = error.event if isinstance(error, Stale) else None
    if event is None or event.actor.id != by or not _says(event, pressed):
        return dispatch.failure(error)
    what = error.message.partition(": ")[2]
    return Reply(f"already recorded: {what}", {"event": event.seq})


def _says(event: Event, pressed: Pressed) -> bool:
    """Whether this event is what the press would record."""
    if event.kind == "question.answered":
        word = "retry-beside" if pressed.word == "beside" else pressed.word
        return event.data.get("answer") == word
    if event.kind == "page.acknowledged":
        return pressed.word == "ack" and event.data.get("page") == pressed.seq
    return event.key.startswith(f"press:{pressed.incident}:{pressed.seq}:{pressed.word}")
