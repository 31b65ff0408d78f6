"""A pressed button carried out: of two presses one is recorded, and the other is told so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chatops import dispatch, presses
from chatops.vocabulary import Reply
from incidents.errors import HowdahError

if TYPE_CHECKING:
    from chatops.dispatch import Raw
    from chatops.vocabulary import Front, Places
    from incidents.events import Event
    from incidents.store.protocol import Store


def carry_out(
    pressed: presses.Pressed, front: Front, places: Places, *, store: Store, by: str, given: Raw | None = None
) -> Reply:
    """Do what was pressed by the actor `by`; `given` is what a form asked. Never raises but for an interrupt.

    Of two presses one is recorded: the same person reads that it is, another one who was first.
    """
    try:
        meant = presses.meaning(store, pressed.incident, pressed.seq, pressed.word)
    except HowdahError as error:
        return late(error, pressed, by)
    raw: dict[str, Any] = {**(given or {}), **meant.raw}
    key = meant.key or places.key
    reply = dispatch.run(dispatch.find(meant.command), raw, front, places._replace(key=key), store=store)
    if _code(reply) not in _LOST:
        return reply
    try:  # somebody may have been faster between the look and the record
        presses.meaning(store, pressed.incident, pressed.seq, pressed.word)
    except HowdahError as error:
        return late(error, pressed, by)
    return reply


_LOST = ("key_conflict", "already_answered", "refused", "illegal_transition", "incident_closed", "not_found")


def _code(reply: Reply) -> str:
    error: Mapping[str, Any] = (reply.document or {}).get("error", {}) if reply.error else {}
    return str(error.get("code", ""))


def late(error: HowdahError, pressed: presses.Pressed, by: str) -> Reply:
    """The answer to a press that `meaning` refused; no error where the same person had said the same before."""
    event = error.event if isinstance(error, presses.Stale) else None
    if event is None or event.actor.id != by or not _says(event, pressed):
        return dispatch.failure(error)
    what = error.message.partition(": ")[2]
    return Reply(f"already recorded: {what}", {"event": event.seq})


def _says(event: Event, pressed: presses.Pressed) -> bool:
    """Whether this event is what the press would record."""
    if event.kind == "question.answered":
        word = "retry-beside" if pressed.word == "beside" else pressed.word
        return event.data.get("answer") == word
    return event.key.startswith(f"press:{pressed.incident}:{pressed.seq}:{pressed.word}")
