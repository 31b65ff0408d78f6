"""What an event of a page says, in one sentence; incidents/telling.py says the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from incidents.events import Event
from incidents.people import CHATS

Teller = Callable[[Event, str, Mapping[int, str]], str]


def sending(event: Event) -> tuple[Any, ...]:
    """Which send an intent or an outcome is about."""
    return tuple(event.data.get(name) for name in ("page", "n", "person", "channel", "attempt"))


def _started(event: Event, words: str, tasks: Mapping[int, str]) -> str:
    by = ", because of the severity" if event.data.get("auto") else ""
    head = f"pages {event.data['target']}{by}"
    first = words.partition("\n")[0]  # the brief below it is for whom it wakes
    return f"{head}: {first}" if first else head


def _fired(event: Event, words: str, tasks: Mapping[int, str]) -> str:
    data = event.data
    again = f", pass {data['round']}" if data["round"] > 1 else ""
    head = f"page #{data['page']} step {data['step']}{again}: {data['target']}"
    people = ", ".join(data["people"])
    if people:
        why = f" ({data['why']})" if data.get("why") else ""
        return head if data["people"] == [data["target"]] else f"{head} is {people}{why}"
    return f"{head} is nobody" + (f" ({data['why']})" if data.get("why") else "")


def _sent(done: str) -> Teller:
    def tell(event: Event, words: str, tasks: Mapping[int, str]) -> str:
        data = event.data
        text = f"page #{data['page']} to {data['person']} by {data['channel']} {done}"
        if data.get("why"):
            text += f": {data['why']}"
        return text + (", possibly repeated" if data.get("repeated") else "") + _call(data)

    return tell


def _sending(event: Event, words: str, tasks: Mapping[int, str]) -> str:
    if event.data["channel"] in CHATS:
        return f"page #{event.data['page']}: {event.data['person']} is paged"
    return _sent("is being sent")(event, words, tasks)


def _unreachable(event: Event, words: str, tasks: Mapping[int, str]) -> str:
    data = event.data
    return f"page #{data['page']} does not reach {data['person']}: {data['why']}{_call(data)}"


def _call(data: Mapping[str, Any]) -> str:
    return f"; call {data['phone']}" if data.get("phone") else ""


def _about(text: str) -> Teller:
    return lambda event, words, tasks: text.format_map(event.data) + (f": {words}" if words else "")


TELLERS: dict[str, Teller] = {
    "page.started": _started,
    "page.fired": _fired,
    "page.sending": _sending,
    "page.delivered": _sent("went out"),
    "page.failed": _sent("failed"),
    "page.unreachable": _unreachable,
    "page.acknowledged": _about("page #{page} acknowledged"),
    "page.escalated": _about("page #{page} goes to the next step now"),
    "page.exhausted": _about("PAGE #{page} IS AT ITS END: {why}"),
}
