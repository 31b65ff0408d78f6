"""At a terminal, without any bot: whoever watches a run has what is due recorded, and reads it."""

from __future__ import annotations

from incidents.store import open_store
from tests.stories.scene import Scene, until

BOOK = "name: cure\nsteps:\n  - {id: cure, confirm: Sure?, run: 'true'}\n"


def test_who_watches_a_run_is_reminded_of_the_people_outside(scene: Scene) -> None:
    book = scene.runbook(BOOK)
    scene.ok("declare", "the disk is full", "--sev", "1", "--at", "-31m")
    scene("run", book)
    sitting = scene.sit("attach")
    sitting.see("update to the people outside: OVERDUE by ")

    def recorded() -> list[int]:
        with open_store(scene.store) as store:
            return [e.data["number"] for e in store.events("inc-1") if e.kind == "reminder.due"]

    assert until(recorded, "the reminder") == [0]
    sitting.press("q")
    assert sitting.end() == 130
