"""Duty is another fact than the schedule: both have it until somebody says "I have it", and nobody has it for ever."""

from __future__ import annotations

from typing import Any

import pytest

from incidents import clock
from incidents.events import Event
from incidents.oncall import duty, handoff
from incidents.oncall.limits import Limits
from incidents.oncall.schedule import Layer, Schedule, Temporary
from incidents.oncall.versions import of
from tests.making import event

H, MIN = clock.HOUR, clock.MINUTE
T = clock.parse_iso("2022-11-14T08:00:00Z")
NAME = "infra@2022-11-14T08:00Z"
LIMITS = Limits()


def rota(*layers: Layer, temporary: tuple[Temporary, ...] = ()) -> duty.Shifts:
    return of({"infra": Schedule("infra", layers=layers, temporary=temporary)})


TURN = rota(Layer("a", "UTC", users=("hazel",), until=T), Layer("b", "UTC", users=("preston",), since=T))


def said(*entries: tuple[int, str, dict[str, Any]]) -> list[Event]:
    return [
        event(kind, seq=seq, stream="oncall", at=T + at * MIN, data=data)
        for seq, (at, kind, data) in enumerate(entries, 1)
    ]


def on(minutes: int, *entries: tuple[int, str, dict[str, Any]], rota: duty.Shifts = TURN) -> duty.Duty:
    return duty.on_duty("infra", rota, said(*entries), T + minutes * MIN, LIMITS)


ACK = (5, "handoff.acknowledged", {"handoff": NAME, "person": "preston"})


def test_who_goes_and_who_comes_have_it_until_it_is_acknowledged() -> None:
    assert on(-1).people == ("hazel",)
    waits = on(4, ACK)
    assert (waits.scheduled, waits.people, waits.acknowledged) == (("preston",), ("hazel", "preston"), False)
    assert (waits.incoming, waits.outgoing, waits.waiting[0].name) == (("preston",), ("hazel",), NAME)
    had = on(5, ACK)
    assert (had.people, had.acknowledged) == (("preston",), True)


def test_who_goes_is_let_go_when_the_overrun_is_over() -> None:
    assert on(119).people == ("hazel", "preston")
    assert on(120).people == ("preston",)


def test_nobody_waits_where_the_schedule_has_a_gap_on_either_side() -> None:
    gap = rota(Layer("a", "UTC", users=("hazel",), until=T))
    assert on(1, rota=gap).people == () and on(1, rota=gap).acknowledged
    begin = rota(Layer("b", "UTC", users=("preston",), since=T))
    assert on(1, rota=begin).people == ("preston",) and on(1, rota=begin).acknowledged


def test_of_a_group_those_who_stay_hand_nothing_over() -> None:
    pair = rota(
        Layer("a", "UTC", users=("hazel", "malte"), until=T),
        Layer("b", "UTC", users=("malte", "preston"), since=T),
    )
    assert on(1, rota=pair).outgoing == ("hazel",)
    assert on(1, rota=pair).people == ("hazel", "malte", "preston")


SHIELD = (10, "relief.shielded", {"person": "preston", "until": T + 8 * H, "cover": "malte"})


def test_who_rests_has_no_pages_their_cover_has() -> None:
    resting = on(200, ACK, SHIELD)
    assert (resting.scheduled, resting.people, resting.covers) == (
        ("preston",),
        ("malte",),
        {"preston": "malte"},
    )
    assert on(8 * 60, ACK, SHIELD).people == ("preston",)


def test_whoever_says_so_stays() -> None:
    stays = (20, "duty.stayed", {"person": "preston", "until": T + 2 * H})
    assert on(30, ACK, SHIELD, stays).people == ("preston",)


def test_a_cover_who_rests_has_a_cover_too_and_where_nobody_is_left_a_page_still_reaches_somebody() -> None:
    two = (15, "relief.shielded", {"person": "malte", "until": T + 8 * H, "cover": "nova"})
    assert on(30, ACK, SHIELD, two).people == ("nova",)
    round_ = (15, "relief.shielded", {"person": "malte", "until": T + 8 * H, "cover": "preston"})
    assert on(30, ACK, SHIELD, round_).people == ("preston",)
    alone = (15, "relief.shielded", {"person": "malte", "until": T + 8 * H})
    assert on(30, ACK, SHIELD, alone).people == ("preston",)


@pytest.mark.parametrize(
    ("minutes", "told", "acts"),
    [
        (-1, (), []),
        (0, (), ["Offer"]),
        (1, ("offered",), []),
        (15, ("offered",), ["Overdue"]),
        (16, ("offered", "overdue"), []),
        (30, (), ["Offer", "Overdue"]),
        (120, ("offered", "overdue"), ["Release"]),
        (121, ("offered", "overdue", "released"), []),
        (121, (), []),
    ],
)
def test_what_is_due_about_an_edge(minutes: int, told: tuple[str, ...], acts: list[str]) -> None:
    known: dict[str, tuple[str, dict[str, Any]]] = {
        "offered": (
            "handoff.offered",
            {"receiver": ["preston"], "giver": ["hazel"], "schedule": "infra", "edge": T},
        ),
        "overdue": ("handoff.overdue", {"handoff": NAME, "people": ["preston"]}),
        "released": ("duty.released", {"handoff": NAME, "people": ["hazel"]}),
    }
    events = said(*((0, kind, data) for kind, data in map(known.__getitem__, told)))
    now = T + minutes * MIN
    edges = duty.edges("infra", TURN, events, now - 24 * H, now)
    assert [type(act).__name__ for act in handoff.due_edges(edges, events, now, LIMITS)] == acts


def test_where_nobody_has_to_say_so_the_schedule_alone_decides() -> None:
    none = Limits(handoff=None)
    assert duty.on_duty("infra", TURN, [], T, none).people == ("preston",)
    assert handoff.due_edges(duty.edges("infra", TURN, [], T - H, T), [], T, none) == []


def test_of_an_acknowledged_edge_nothing_is_due() -> None:
    events = said(ACK)
    edges = duty.edges("infra", TURN, events, T - H, T + 3 * H)
    assert [edge.acknowledged for edge in edges] == ["preston"]
    assert handoff.due_edges(edges, events, T + 3 * H, LIMITS) == []


def offered(minutes: int, receiver: str, giver: str, *roles: str) -> tuple[int, str, dict[str, Any]]:
    return minutes, "handoff.offered", {"receiver": [receiver], "giver": [giver], "roles": list(roles)}


def folded(*entries: tuple[int, str, dict[str, Any]]) -> dict[str, handoff.Handoff]:
    return handoff.fold(
        event(kind, seq=seq, at=T + at * MIN, data=data) for seq, (at, kind, data) in enumerate(entries, 1)
    )


def test_a_role_waits_until_the_receiver_has_it() -> None:
    found = folded(offered(0, "preston", "hazel", "commander"))
    assert [one.name for one in handoff.waiting(found.values(), "preston")] == ["inc-1#1"]
    assert handoff.waiting(found.values(), "hazel") == []
    acked = (1, "handoff.acknowledged", {"handoff": "inc-1#1", "person": "preston"})
    found = folded(
        offered(0, "preston", "hazel", "commander"),
        acked,
        (2, "handoff.acknowledged", {"handoff": "inc-1#1", "person": "x"}),
    )
    assert found["inc-1#1"].by == "preston" and handoff.waiting(found.values()) == []


def test_a_newer_offer_of_the_same_role_takes_the_place_of_one_that_waits_and_the_end_of_all() -> None:
    found = folded(offered(0, "preston", "hazel", "commander"), offered(1, "malte", "hazel", "commander"))
    assert [one.void for one in found.values()] == ["inc-1#2", ""]
    other = folded(offered(0, "preston", "hazel", "commander"), offered(1, "malte", "nova", "scribe"))
    assert [one.void for one in other.values()] == ["", ""]
    ended = folded(offered(0, "preston", "hazel", "commander"), (5, "incident.resolved", {}))
    assert [one.void for one in ended.values()] == ["resolved"]


def test_a_role_that_nobody_took_in_time_is_overdue_once() -> None:
    entry = offered(0, "preston", "hazel", "commander")
    late = T + 15 * MIN
    assert [act.people for act in handoff.due_roles(folded(entry).values(), late, LIMITS)] == [("preston",)]
    assert handoff.due_roles(folded(entry).values(), late - 1, LIMITS) == []
    told = (15, "handoff.overdue", {"handoff": "inc-1#1", "people": ["preston"]})
    assert handoff.due_roles(folded(entry, told).values(), late + H, LIMITS) == []
