"""Stores of a size: incidents of EACH events, all closed but the last, made through the store's own door.

The big one takes minutes, so that it is kept in the cache, under a name that changes with the store's format.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time

from incidents.events import NEW_INCIDENT, Actor, Draft
from incidents.store import migrate, open_store
from tests.bench import measure

EACH = 100  # events of an incident
SMALL = 10  # incidents: 1,000 events
BIG = 10_000  # incidents: 1,000,000 events

_PEOPLE = (Actor("human", "robin"), Actor("human", "nova"), Actor("human", "kris"))
_WORDS = (
    "the disk of db-1 is at 97 % again; media uploads fail for part of the users since 18:53 UTC, looking"
)


def big() -> str:
    """The path of the big store, made when the cache does not have it."""
    folder = os.path.join(measure.cache(), f"store-{BIG * EACH}-{_format()}")
    if not os.path.isdir(folder):
        part = f"{folder}.part"
        shutil.rmtree(part, ignore_errors=True)
        os.mkdir(part)
        print(f"making a store of {BIG * EACH:,} events in {folder}", flush=True)
        began = time.perf_counter()
        fill(os.path.join(part, "store.db"), BIG)
        os.rename(part, folder)
        print(f"made in {time.perf_counter() - began:.0f} s", flush=True)
    return os.path.join(folder, "store.db")


def _format() -> str:
    """Changes with every change of the schema."""
    digest = hashlib.sha256(str(EACH).encode())
    for name in sorted(os.listdir(migrate._FOLDER)):
        with open(os.path.join(migrate._FOLDER, name), "rb") as file:
            digest.update(file.read())
    return f"{migrate.LATEST}-{digest.hexdigest()[:12]}"


def fill(path: str, incidents: int) -> None:
    """Declare `incidents` one after the other; each append is one incident whole."""
    with open_store(path) as store:
        for number in range(1, incidents + 1):
            store.append(_incident(number, closed=number < incidents))


def _incident(number: int, *, closed: bool) -> list[Draft]:
    def draft(kind: str, actor: Actor, body: str = "", milestone: str | None = None, **data: str) -> Draft:
        return Draft(
            stream=NEW_INCIDENT, kind=kind, actor=actor, body=body, data=data, milestone=milestone,
            zone="Europe/Berlin",
        )  # fmt: skip

    first = draft(
        "incident.declared", _PEOPLE[0], milestone="declared", title=f"the disk of db-{number} is full",
        severity="sev2",
    )  # fmt: skip
    words = [
        draft("note", _PEOPLE[count % len(_PEOPLE)], f"{count}: {_WORDS}")
        for count in range(EACH - 1 - closed)
    ]
    end = [draft("incident.resolved", _PEOPLE[1], milestone="resolved")] if closed else []
    return [first, *words, *end]
