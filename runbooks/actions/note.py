"""`uses: note`: a line in the incident's timeline. Once for a step, however often it runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from incidents.telling import CHAPTERS
from runbooks.actions.base import Action, Failed, Gives, Key, always


def act(given: Mapping[str, Any]) -> Mapping[str, Any]:
    from incidents import timeline
    from incidents.events import Actor, Draft
    from incidents.store import open_store
    from runbooks import consent

    text = str(given["text"])
    if not text.strip():
        raise Failed("the note is empty")
    run, step = os.environ["HOWDAH_RUN"], os.environ["HOWDAH_STEP"]
    with open_store(os.environ["HOWDAH_STORE"]) as store:
        begun = consent.read_run(store, run)
        mode = begun.start.mode if begun.start is not None else "real"
        data = {"about": given["about"]} if "about" in given else {}
        draft = Draft(
            stream=os.environ["HOWDAH_INCIDENT"], kind="note", actor=Actor("system", "runbook"), data=data, body=text,
            run=run, step=step, key=f"{run}:note:{step}", mode=mode,
        )  # fmt: skip
        (event,) = timeline.record(store, draft)
    return {"event": event.seq}


ACTION = Action(
    doc="Writes a line into the incident's timeline.",
    takes={
        "text": Key("template", "The line.", required=True),
        "about": Key("option", "The chapter of the postmortem that it belongs to.", options=tuple(CHAPTERS)),
    },
    gives={"event": Gives("its number in the incident", "int")},
    effect=always("idempotent"),
    act=act,
)
