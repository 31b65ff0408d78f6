"""Who is who on Discord: an account is a person of `people:`, or itself."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from chatops.vocabulary import Who
from incidents import clock, config
from incidents.errors import HowdahError
from incidents.events import Actor, Source

if TYPE_CHECKING:
    from chatops.vocabulary import Call
    from incidents.config import Config
    from incidents.events import Event

PREFIX = "discord:"


def who(config: Config, account: str, handle: str, source: Source | None, incident: str | None) -> Who:
    """The actor to record. Discord vouches for the account; the handle, which its owner may change, is its name."""
    users = config.people.of_account("discord", account)
    zone = users[0].zone if users and users[0].zone else clock.local_zone()
    if users:
        return Who(Actor("human", users[0].name, assurance="platform"), users[0].name, zone, source, incident)
    actor = Actor("human", PREFIX + account, on_behalf_of=f"@{handle}", assurance="platform")
    return Who(actor, None, zone, source, incident)


def account_of(call: Call) -> Callable[[Event], str | None]:
    """The account to call for what somebody did; None for who has none. A change of `people:` holds at once."""
    last = call.config

    def find(event: Event) -> str | None:
        nonlocal last
        if event.actor.id.startswith(PREFIX):
            return event.actor.id.removeprefix(PREFIX)
        with contextlib.suppress(HowdahError):  # it has mistakes at the moment: who was there is there
            last = config.load(call.places.config)
        person = last.people.get(event.actor.id)
        accounts = person.accounts if person is not None else ()
        return next((account for platform, account in accounts if platform == "discord"), None)

    return find
