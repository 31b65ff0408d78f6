"""Reminders are events: recorded once, whoever looks, and silent when somebody says so."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from incidents import cadence, clock, open_store, reminding
from tests.chatops.conftest import Howdah, howdah

__all__ = ["howdah"]


def look(howdah: Howdah, later: int = 0) -> list[str]:
    """Somebody looks, so long (µs) after the last word of a person."""
    with open_store(str(howdah.store)) as store:
        now = max(e.recorded_at for e in store.events("inc-1") if e.actor.type == "human") + later
        return [e.data["person"] for e in reminding.remind(store, cadence.DEFAULTS, now)]


def reminders(howdah: Howdah) -> list[tuple[str, int]]:
    with open_store(str(howdah.store)) as store:
        return [
            (e.data["person"], e.data["number"]) for e in store.events("inc-1") if e.kind == "reminder.due"
        ]


def test_many_who_look_at_once_record_one_reminder(howdah: Howdah) -> None:
    howdah.ok("declare", "x", "--sev", "1", "--at", "-31m", by="nova")
    with ThreadPoolExecutor(6) as pool:
        made = [one for found in pool.map(lambda _: look(howdah), range(6)) for one in found]
    assert made == ["nova"]
    assert reminders(howdah) == [("nova", 0)]


def test_after_hours_without_anybody_one_reminder_comes_and_not_ten(howdah: Howdah) -> None:
    howdah.ok("declare", "x", "--sev", "1", "--at", "-31m")
    assert len(look(howdah, 5 * clock.HOUR)) == 1
    assert look(howdah) == [], "a clock that is behind does not go back"
    assert [number for _, number in reminders(howdah)] == [10]
    assert len(look(howdah, 6 * clock.HOUR)) == 1


def test_who_writes_to_the_people_outside_is_reminded(howdah: Howdah) -> None:
    howdah.ok("declare", "x", "--sev", "1", "--at", "-31m", by="nova")
    howdah.ok("role", "commander", "nova")
    howdah.ok("role", "comms", "malte")
    assert look(howdah) == ["malte"]
    assert "an update to the people outside is due" in howdah.ok("timeline")


def test_an_update_ends_it_and_snooze_and_stop_silence_it(howdah: Howdah) -> None:
    howdah.ok("declare", "x", "--sev", "1", "--at", "-31m")
    assert "reminders are silent until" in howdah.ok("remind", "snooze", "15m")
    assert look(howdah) == []
    assert "snoozed" in howdah.ok("remind", "list")
    howdah.ok("remind", "stop")
    assert look(howdah, clock.HOUR) == []
    assert "reminders are stopped" in howdah.ok("status")
    howdah.ok("remind", "start")
    assert len(look(howdah)) == 1
    howdah.ok("update", "we are on it")
    assert look(howdah) == []


def test_a_drill_reminds_nobody(howdah: Howdah) -> None:
    howdah.ok("declare", "x", "--sev", "1", "--drill")
    assert look(howdah, 10 * clock.HOUR) == []
    assert howdah.ok("remind", "list") == "nothing is due\n"
