"""What stands in an incident's thread: which events are lines, how lines share a message, by what each is found again."""

from __future__ import annotations

import base64
import re
import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from chatops import cards, views
from chatops.surfaces.base import Post
from incidents import telling, timeline

if TYPE_CHECKING:
    from incidents.events import Event
    from incidents.lifecycle import Incident

SAID = (
    "note", "update", "incident.", "role.", "task.", "correction", "retraction", "redaction", "lock.",
    "run.ended", "question.answered", "reminder.due", "x.", "page.started", "page.fired", "page.failed",
    "page.unreachable", "page.acknowledged", "page.escalated", "page.exhausted", "handoff.", "relief.", "duty.",
)  # fmt: skip
MAYBE = ("question.asked", "page.sending")  # told where they still wait for somebody who reads here
MENTION = "page.sending"  # a message of its own: it calls one person, who answers by its button
ACK = "Acknowledge"
RUN = "run.started"  # the place of a run's own message
ALONE = (RUN, MENTION)
FEW = 3  # lines up to which each is a message of its own
TOGETHER = 10  # lines in one message where there are more
LONGEST = 1_500  # characters of lines that share a message
_NUMBER = re.compile(r"^`?#(\d+)`?(?:\s|$)", re.MULTILINE)


def numbers(text: str) -> list[int]:
    """The numbers of the entries that a message of ours tells; none for a card."""
    return [int(number) for number in _NUMBER.findall(text)]


def groups(news: Sequence[Event], is_open: Callable[[Event], bool]) -> list[list[Event]]:
    """What goes into one message each: a run, a mention, a line, or several lines where there are many.

    `is_open` says of a question or a mention whether it still waits: one that is answered is told by what came of it.
    """
    told = [
        event
        for event in news
        if event.kind == RUN or event.kind.startswith(SAID) or (event.kind in MAYBE and is_open(event))
    ]
    together = TOGETHER if len(told) > FEW else 1
    found: list[list[Event]] = []
    for event in told:
        last = found[-1] if found else []
        alone = event.kind in ALONE or not last or last[0].kind in ALONE
        if alone or len(last) >= together or sum(len(one.body) for one in last) > LONGEST:
            found.append([event])
        else:
            last.append(event)
    return found


def button(sending: Event) -> views.Button:
    """What whoever is mentioned presses."""
    page = int(sending.data["page"])
    command = f"howdah ack {sending.stream}#{page}"
    return views.Button(ACK, command, "key", incident=sending.stream, seq=page, word="ack")


def lines(events: Sequence[Event], told: Sequence[Event], one: Incident, *, zone: str, head: str) -> Post:
    """The lines of `told`, some of the `events` that make the incident `one`. Who keeps the last one elsewhere, with its `head`, can tell
    later that nothing was changed: `verify --expect`."""
    seqs = {event.seq for event in told}
    later = events[min(seqs) - 1 :]  # only what comes after says something about them
    changes = telling.changes(later)
    entries = [entry for entry in timeline.view(later) if entry.event.seq in seqs]
    folded = seqs - {entry.event.seq for entry in entries}  # a correction is no entry: it is a word about one
    shown = [
        *cards.log_entries(entries, one, changes),
        *(views.Entry(e.seq, e.at, telling.who(e), telling.sentence(e)) for e in told if e.seq in folded),
    ]
    shown = [
        entry._replace(mark=f"head {head}")
        if events[entry.number - 1].kind == "incident.resolved" and not entry.mark
        else entry
        for entry in sorted(shown, key=lambda entry: entry.number)
    ]
    return Post(views.Log("", tuple(shown), zone=zone), line=True)


def nonce(event: Event, what: str, number: int) -> str:
    """At most 25 characters (Discord's limit) that say which post this is: the event's id, what of it, how often.

    A line of the first thread has the id alone; a card and a run's message of the same event are other posts.
    """
    short = base64.urlsafe_b64encode(uuid.UUID(event.id).bytes).decode().rstrip("=")
    return short if not what and number == 1 else f"{short}{what or 'l'}{number}"[:25]
