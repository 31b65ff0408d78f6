"""A question about an instant is answered from the version of the schedule that was in force then."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from incidents import clock, timeline
from incidents.config import Config
from incidents.errors import NotFound
from incidents.events import Actor, Draft
from incidents.oncall import reading, versions
from incidents.oncall.schedule import Segment
from incidents.oncall.versions import Rota, Version
from incidents.store import open_store
from incidents.store.protocol import Store

HOUR, DAY = clock.HOUR, clock.DAY
START = clock.parse_iso("2022-11-07T00:00:00Z")
NOVA = Actor("human", "nova")


def text(*people: str, name: str = "infra", more: str = "") -> str:
    return f"{more}schedules:\n  {name}:\n    layers: [{{id: all, users: [{', '.join(people)}]}}]\n"


def config(written: str) -> Config:
    return Config(
        "/etc/howdah/howdah.yaml", written, schedules=reading.loads(written, "howdah.yaml").schedules
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(str(tmp_path / "store.db")) as one:
        yield one


def seen(store: Store, at: int, written: str) -> None:
    """A writing command saw this configuration."""
    digest = hashlib.sha256(written.encode()).hexdigest()
    data = {"name": "/etc/howdah/howdah.yaml", "digest": digest, "text": written}
    timeline.record(store, Draft(stream="system", kind="config.seen", actor=NOVA, at=START + at, data=data))


def answers(rota: Rota, *at: int) -> list[tuple[str, ...]]:
    return [rota.on_call("infra", START + one) for one in at]


def test_each_instant_is_answered_from_the_version_in_force_then(store: Store) -> None:
    seen(store, HOUR, text("hazel"))
    seen(store, 5 * HOUR, text("malte"))
    rota = versions.read(store, config(text("nova")), START + DAY)
    assert answers(rota, 0, HOUR, 5 * HOUR - 1, 5 * HOUR, DAY - 1, DAY, 400 * DAY) == [
        ("hazel",), ("hazel",), ("hazel",), ("malte",), ("malte",), ("nova",), ("nova",),
    ]  # fmt: skip
    assert [version.since - START for version in rota.versions()] == [HOUR, 5 * HOUR, DAY]


def test_without_a_record_the_current_configuration_answers_for_ever(store: Store) -> None:
    rota = versions.read(store, config(text("nova")), START)
    assert answers(rota, -900 * DAY, 0, 900 * DAY) == [("nova",)] * 3


def test_a_version_that_came_back_is_in_force_again_from_then_on(store: Store) -> None:
    for at, who in ((1, "hazel"), (2, "malte"), (3, "hazel")):
        seen(store, at * HOUR, text(who))
    rota = versions.read(store, config(text("hazel")), START + DAY)
    assert answers(rota, HOUR, 2 * HOUR, 3 * HOUR, DAY) == [("hazel",), ("malte",), ("hazel",), ("hazel",)]


def test_a_version_that_this_very_call_recorded_is_in_force_at_its_now(store: Store) -> None:
    seen(store, 0, text("hazel"))
    seen(store, DAY + 1, text("nova"))  # an event is a moment later than the call that records it
    assert answers(versions.read(store, config(text("nova")), START + DAY), DAY - 1, DAY) == [
        ("hazel",),
        ("nova",),
    ]


def test_what_is_redacted_or_cannot_be_read_is_passed_over_with_a_doubt(store: Store) -> None:
    seen(store, HOUR, text("hazel"))
    seen(store, 2 * HOUR, "schedules: {infra: {timezone: Mars/Olympus}}")
    seen(store, 3 * HOUR, text("malte"))
    timeline.redact(store, "system", [3], "names", NOVA)
    rota = versions.read(store, config(text("nova")), START + DAY)
    assert answers(rota, 2 * HOUR, 3 * HOUR, DAY) == [("hazel",), ("hazel",), ("nova",)]
    assert len(rota.doubts) == 2
    assert "system#2 cannot be read" in rota.doubts[0] and "system#3 is redacted" in rota.doubts[1]


def test_what_is_wrong_in_another_section_of_an_old_text_is_no_matter(store: Store) -> None:
    seen(store, HOUR, text("hazel", more="retired_section: [1, 2]\n"))
    assert answers(versions.read(store, config(text("nova")), START + DAY), HOUR) == [("hazel",)]


def test_a_long_text_is_read_from_its_evidence(store: Store) -> None:
    written = text("hazel", more=f"# {'x' * 600_000}\n")
    blob = store.put_blob(written.encode(), media_type="application/yaml", name="howdah.yaml")
    data = {"name": "howdah.yaml", "digest": hashlib.sha256(written.encode()).hexdigest(), "text": ""}
    draft = Draft(stream="system", kind="config.seen", actor=NOVA, at=START, data=data, evidence=(blob,))
    timeline.record(store, draft)
    assert answers(versions.read(store, config(text("nova")), START + DAY), HOUR) == [("hazel",)]


def test_shifts_and_their_joints_cross_the_versions(store: Store) -> None:
    seen(store, HOUR, text("hazel"))
    seen(store, 5 * HOUR, text("hazel", more="updates: {sev1: 30m}\n"))  # the schedule is the same
    seen(store, 7 * HOUR, text("malte"))
    rota = versions.read(store, config(text("malte", "nova")), START + DAY)
    assert rota.shifts("infra", START, START + 2 * DAY) == [
        Segment(START, START + 7 * HOUR, ("hazel",)),
        Segment(START + 7 * HOUR, START + DAY, ("malte",)),
        Segment(START + DAY, START + 2 * DAY, ("malte", "nova")),
    ]
    assert rota.shifts("infra", START, START) == []


TURNS = 'schedules:\n  infra:\n    layers:\n      - {{id: {id}, rotation: {{unit: day, start: "2022-11-07T{hour}", participants: [a, b]}}}}\n'


def test_an_edge_that_a_turn_would_have_had_in_another_versions_time_is_none(store: Store) -> None:
    seen(store, 0, TURNS.format(id="day", hour="09:00"))
    current = config(TURNS.format(id="day", hour="12:00"))
    rota = versions.read(store, current, START + DAY + 10 * HOUR)
    edges = rota.handoffs("infra", START + 10 * HOUR, START + 2 * DAY)
    hours = [(at - START) // HOUR for at in edges["day"]]
    assert hours == [9, 33, 36, 60], "09:00 of two days, then 12:00 of two"


def test_a_schedule_that_a_version_has_not_has_nobody_then(store: Store) -> None:
    seen(store, 0, text("hazel", name="web"))
    rota = versions.read(store, config(text("nova")), START + DAY)
    assert rota.shifts("infra", START, START + 2 * DAY)[0] == Segment(START, START + DAY, ())
    with pytest.raises(NotFound, match="there was no schedule 'infra' then"):
        rota.on_call("infra", START)
    with pytest.raises(NotFound, match="there is no schedule 'web'"):
        rota.schedule("web", START + DAY)
    assert rota.on_call("web", START) == ("hazel",)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    rota = versions.of(reading.loads(text("nova"), "f").schedules)
    for ask in (lambda: rota.on_call("inrfa", START), lambda: rota.shifts("inrfa", START, START + DAY)):
        with pytest.raises(NotFound) as caught:
            ask()
        assert caught.value.hint == "did you mean infra?"
    with pytest.raises(NotFound, match="there is no schedule"):
        versions.of({}).explain("infra", START)


def test_changes_by_command_take_part_in_every_version(store: Store) -> None:
    seen(store, 0, text("hazel"))
    data = {
        "name": "ov-1",
        "schedule": "infra",
        "kind": "add_user",
        "add": "robin",
        "start": START,
        "end": START + 2 * DAY,
    }
    timeline.record(store, Draft(stream="oncall", kind="oncall.overridden", actor=NOVA, data=data))
    rota = versions.read(store, config(text("nova")), START + DAY)
    assert answers(rota, 0, DAY, 2 * DAY) == [("hazel", "robin"), ("nova", "robin"), ("nova",)]
    assert [one.name for one in rota.explain("infra", START).overrides] == ["ov-1"]


def test_who_is_on_call_now_reads_no_old_version() -> None:
    def never(doubts: list[str]) -> list[Version]:
        raise AssertionError("an old version was read")

    current = Version(START, reading.loads(text("nova"), "f").schedules)
    rota = Rota(current, earlier=never)
    assert rota.on_call("infra", START) == ("nova",)
    assert rota.shifts("infra", START, START + DAY) == [Segment(START, START + DAY, ("nova",))]
