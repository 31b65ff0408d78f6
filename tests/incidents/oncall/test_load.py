"""What on call has cost each person, from the log and the schedules."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from incidents import clock
from incidents.events import Actor, Event
from incidents.oncall import active, load
from incidents.oncall.strain import Facts
from tests.making import event

H, MIN, DAY = clock.HOUR, clock.MINUTE, clock.DAY
T = clock.parse_iso("2022-11-09T12:00:00Z")  # a Wednesday
BOT = Actor("bot", "howdah")


def log(*entries: tuple[float, str, dict[str, Any]], mode: str = "real", actor: Actor = BOT) -> list[Event]:
    return [
        event(kind, seq=seq, at=T + int(hours * H), data=data, mode=mode, actor=actor)
        for seq, (hours, kind, data) in enumerate(entries, 1)
    ]


def hours(spans: dict[str, tuple[tuple[int, int], ...]]) -> dict[str, list[tuple[float, float]]]:
    return {person: [((a - T) / H, (b - T) / H) for a, b in found] for person, found in spans.items()}


def test_the_clock_runs_from_a_role_to_its_release() -> None:
    events = log(
        (0, "role.assigned", {"role": "commander", "person": "nova"}),
        (1, "role.assigned", {"role": "scribe", "person": "nova"}),
        (2, "role.released", {"role": "commander", "person": "nova"}),
        (3, "role.released", {"role": "scribe", "person": "nova"}),
    )
    assert hours(active.at_work(events, T + 9 * H)) == {"nova": [(0, 3)]}
    assert active.running(events[:3], T + 9 * H) == {"nova": T}


def test_it_runs_from_joining_and_acknowledging_to_leaving_or_the_end() -> None:
    events = log(
        (0, "duty.joined", {"person": "nova"}),
        (1, "page.acknowledged", {"person": "hazel"}),
        (2, "duty.left", {"person": "nova"}),
        (5, "incident.resolved", {}),
        (6, "handoff.acknowledged", {"person": "late"}),
    )
    assert hours(active.at_work(events, T + 9 * H)) == {"hazel": [(1, 5)], "nova": [(0, 2)]}


def test_what_still_runs_is_counted_until_now() -> None:
    events = log((0, "duty.joined", {"person": "nova"}))
    assert hours(active.at_work(events, T + 4 * H)) == {"nova": [(0, 4)]}


def test_own_words_count_half_an_hour_each_and_not_beyond_the_end() -> None:
    events = log((0, "note", {}), (0.25, "note", {}), (2, "note", {}), (2.2, "incident.resolved", {}), (3, "note", {}),
                 actor=Actor("human", "nova"))  # fmt: skip
    assert hours(active.at_work(events, T + 9 * H)) == {"nova": [(0, 0.75), (2, 2.2)]}


def test_drills_are_nobodys_work_and_their_pages_nobodys_pages() -> None:
    page = {"person": "nova", "page": 7}
    events = log((0, "duty.joined", {"person": "nova"}), (1, "page.sending", page), mode="drill")
    found = load.facts({"nova": "UTC"}, {}, [events], T + DAY)
    assert found == {"nova": Facts("nova")}


def test_a_page_on_two_ways_is_one_page() -> None:
    events = log(
        (0, "page.sending", {"person": "nova", "page": 7}),
        (0.1, "page.sending", {"person": "nova", "page": 7}),
    )
    assert load.pages(events) == [("nova", T)]


def test_a_page_that_reached_nobody_is_no_page() -> None:
    page = {"page": 7, "n": 0, "attempt": 1}
    push, sms = ({**page, "person": "nova", "channel": channel} for channel in ("push", "sms"))
    lost = {**page, "person": "hazel", "channel": "push"}
    events = log(
        (0, "page.sending", lost),
        (0, "page.sending", push),
        (0.1, "page.failed", {**lost, "why": "refused"}),
        (0.1, "page.failed", {**push, "why": "refused"}),
        (0.2, "page.sending", sms),
        (0.3, "page.delivered", sms),
    )
    assert load.pages(events) == [("nova", T + H // 5)]


def test_the_report_counts_by_each_persons_own_clock() -> None:
    nova = Facts(
        "nova", "America/Los_Angeles", work=((T, T + 2 * H),), pages=(T, T + 3 * H)
    )  # 04:00 and 07:00 there
    kim = Facts("kim", "UTC", duties=((T, T + 5 * DAY),))
    found = load.report([nova, kim], T - DAY, T + 6 * DAY)
    rows = {row.person: row for row in found.rows}
    assert (rows["nova"].pages, rows["nova"].night_pages, rows["nova"].active) == (2, 1, 2 * H)
    assert (rows["kim"].duty, rows["kim"].nights, rows["kim"].weekends) == (5 * DAY, 5, 2)
    assert found.heat[2][4] == 1 and found.heat[2][7] == 1 and sum(map(sum, found.heat)) == 2
    assert found.gini["pages"] == 0.5


def test_the_longest_rest_of_the_worst_day() -> None:
    broken_night = [(T, T + 2 * H), (T + 10 * H, T + 11 * H), (T + 15 * H, T + 16 * H)]
    assert load.rests(broken_night, T - 2 * DAY, T + 3 * DAY) == (8 * H, 56 * H)
    assert load.rests([], T, T + 3 * DAY) == (DAY, 3 * DAY)


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=20))
def test_gini_is_the_mean_difference_over_twice_the_mean(values: list[int]) -> None:
    n, total = len(values), sum(values)
    by_hand = sum(abs(a - b) for a in values for b in values) / (2 * n * total) if total else 0
    assert abs(load.gini(values) - by_hand) < 1e-9
    assert 0 <= load.gini(values) < 1
