"""What was changed by command takes part as if it stood in the file."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incidents import clock, kinds
from incidents.events import Actor, Event
from incidents.oncall import changes, reading
from incidents.oncall.changes import Moved
from incidents.oncall.resolve import Resolver
from incidents.oncall.schedule import Absence, Layer, Override, Rotation, Schedule, Segment, Swap
from tests.making import event

HOUR, DAY = clock.HOUR, clock.DAY
START = clock.parse_iso("2022-11-07T00:00:00Z")
SCHEDULE = Schedule(
    "infra",
    layers=(
        Layer("primary", "UTC", 1, Rotation("day", 1, START, (("hazel",), ("nova",)), "UTC")),
        Layer("cover", "UTC", 0, users=("malte",)),
    ),
)


def said(*told: tuple[str, dict[str, Any]], **about: Any) -> list[Event]:
    """Events of the stream in this order, each of another minute."""
    found = []
    for seq, (kind, data) in enumerate(told, 1):
        if kind in kinds.KINDS:
            kinds.check(kind, data)
        found.append(event(kind, seq=seq, at=START + seq * clock.MINUTE, stream="oncall", data=data, **about))
    return found


def override(name: str, start: int, end: int, **about: Any) -> tuple[str, dict[str, Any]]:
    data = {"name": name, "schedule": "infra", "kind": "add_user", "start": START + start, "end": START + end}
    return "oncall.overridden", {**data, **about}


def offer(name: str, person: str, start: int, end: int) -> tuple[str, dict[str, Any]]:
    data = {"name": name, "schedule": "infra", "person": person, "start": START + start, "end": START + end}
    return "oncall.swap_offered", data


def take(name: str, person: str, since: int) -> tuple[str, dict[str, Any]]:
    return "oncall.swap_taken", {"name": name, "person": person, "start": START + since}


def absence(name: str, person: str, start: int, end: int) -> tuple[str, dict[str, Any]]:
    return "oncall.absent", {"name": name, "person": person, "start": START + start, "end": START + end}


def people(events: list[Event], at: int, schedule: Schedule = SCHEDULE) -> tuple[str, ...]:
    return Resolver(changes.fold(events).applied(schedule)).on_call(START + at)


def test_an_override_counts_from_its_start_to_its_end() -> None:
    events = said(override("ov-1", HOUR, 2 * HOUR, kind="replace_user", remove="hazel", add="preston"))
    assert [people(events, at) for at in (HOUR - 1, HOUR, 2 * HOUR - 1, 2 * HOUR)] == [
        ("hazel",), ("preston",), ("preston",), ("hazel",),
    ]  # fmt: skip


def test_an_override_of_another_schedule_is_no_matter() -> None:
    events = said(override("ov-1", 0, DAY, add="preston", schedule="web"))
    assert changes.fold(events).applied(SCHEDULE) is SCHEDULE


def test_an_override_that_is_ended_counts_until_then_and_no_longer_by_another_word() -> None:
    ended = [
        ("oncall.override_ended", {"name": "ov-1", "end": START + at})
        for at in (3 * HOUR, 2 * HOUR, 9 * HOUR)
    ]
    events = said(override("ov-1", HOUR, 8 * HOUR, add="preston"), *ended)
    assert people(events[:2], 3 * HOUR - 1) == ("hazel", "preston")
    assert people(events[:2], 3 * HOUR) == ("hazel",)
    assert changes.fold(events).overrides["ov-1"].end == START + 2 * HOUR, "the earliest end counts"


def test_an_override_that_is_ended_before_it_begins_never_was() -> None:
    cancelled = ("oncall.override_ended", {"name": "ov-1", "end": START})
    found = changes.fold(said(override("ov-1", HOUR, 8 * HOUR, add="preston"), cancelled))
    made = found.overrides["ov-1"]
    assert (made.counts, made.asked) == (False, (START + HOUR, START + 8 * HOUR))
    assert found.applied(SCHEDULE) is SCHEDULE


def test_a_swap_moves_nobody_until_it_is_taken_and_then_only_from_that_moment() -> None:
    """grafana-cold-storage/oncall 4538: a shift that runs already could not be taken over."""
    events = said(offer("sw-1", "hazel", 0, DAY), take("sw-1", "preston", 6 * HOUR))
    assert people(events[:1], 7 * HOUR) == ("hazel",)
    assert (people(events, 6 * HOUR - 1), people(events, 6 * HOUR)) == (("hazel",), ("preston",))


@pytest.mark.parametrize(
    ("told", "now", "status"),
    [
        ((), -1, "open"),
        ((), 0, "past_due"),
        ((take("sw-1", "nova", 0),), 5 * HOUR, "taken"),
        ((("oncall.swap_withdrawn", {"name": "sw-1"}),), -1, "deleted"),
    ],
)
def test_the_status_of_a_swap_is_that_of_a_file(told: tuple[Any, ...], now: int, status: str) -> None:
    swap = changes.fold(said(offer("sw-1", "hazel", 0, DAY), *told)).swaps["sw-1"]
    assert swap.status(START + now) == status
    assert swap.can_be_taken(START + now) == (status in ("open", "past_due"))
    assert not swap.can_be_taken(START + DAY)


def test_the_first_who_takes_a_swap_has_it_and_nothing_said_later_changes_that() -> None:
    later = (take("sw-1", "preston", HOUR), ("oncall.swap_withdrawn", {"name": "sw-1"}))
    swap = changes.fold(said(offer("sw-1", "hazel", 0, DAY), take("sw-1", "nova", 0), *later)).swaps["sw-1"]
    assert (swap.to, swap.withdrawn) == ("nova", False)


def test_what_was_taken_can_be_offered_again() -> None:
    events = said(
        offer("sw-1", "hazel", 0, DAY), take("sw-1", "nova", 0), offer("sw-2", "nova", 0, DAY), take("sw-2", "preston", 0)
    )  # fmt: skip
    assert people(events, HOUR) == ("preston",)


def test_an_absence_holds_in_every_schedule_and_lets_the_next_level_take_over() -> None:
    events = said(absence("ab-1", "hazel", 0, DAY))
    assert people(events, HOUR) == ("malte",)
    assert people(events, HOUR, SCHEDULE._replace(name="web")) == ("malte",)
    back = (
        events
        + said(
            absence("ab-1", "hazel", 0, DAY),
            ("oncall.absence_ended", {"name": "ab-1", "end": START + HOUR}),
        )[1:]
    )
    assert (people(back, HOUR - 1), people(back, HOUR)) == (("malte",), ("hazel",))


def test_a_redacted_change_takes_no_part_and_its_number_is_never_given_again() -> None:
    events = said(override("ov-1", 0, DAY, add="preston"), override("ov-2", 0, DAY, add="robin"))
    events[1] = dataclasses.replace(events[1], redacted=True, data={}, body="")
    found = changes.fold(events)
    assert people(events, HOUR) == ("hazel", "preston")
    assert (found.lost, found.next_name("oncall.overridden")) == (1, "ov-3")


def test_a_retracted_change_takes_no_part_and_a_retracted_taking_opens_the_swap_again() -> None:
    events = said(offer("sw-1", "hazel", 0, DAY), take("sw-1", "nova", 0), ("retraction", {"target": 2}))
    swap = changes.fold(events).swaps["sw-1"]
    assert swap.can_be_taken(START)
    assert people(events, HOUR) == ("hazel",)


def test_a_correction_changes_the_words_and_nothing_else() -> None:
    events = said(
        override("ov-1", 0, DAY, add="preston"), ("correction", {"target": 1, "body": "dentist", "at": 0})
    )
    made = changes.fold(events).overrides["ov-1"]
    assert (made.why, made.start) == ("dentist", START)


def test_whose_doing_it_was_is_kept() -> None:
    made = changes.fold(said(override("ov-1", 0, DAY, add="nova"), actor=Actor("human", "malte"))).overrides[
        "ov-1"
    ]
    assert made.by == "malte"


def test_the_same_in_the_file_gives_the_same_answer() -> None:
    events = said(
        override("ov-1", 2 * HOUR, 30 * HOUR, kind="replace_user", remove="hazel", add="preston"),
        override("ov-2", 5 * HOUR, 6 * HOUR, kind="replace_all", users=["robin"], level=2),
        offer("sw-1", "nova", DAY, 2 * DAY),
        absence("ab-1", "malte", 0, 3 * DAY),
        take("sw-1", "hazel", 0),
    )
    text = """
schedules:
  infra:
    layers:
      - {id: primary, level: 1, rotation: {unit: day, start: "2022-11-07T00:00", participants: [hazel, nova]}}
      - {id: cover, users: [malte]}
    overrides:
      - {kind: replace_user, remove: hazel, add: preston, start: "2022-11-07T02:00:00Z", end: "2022-11-08T06:00:00Z"}
      - {kind: replace_all, users: [robin], level: 2, start: "2022-11-07T05:00:00Z", end: "2022-11-07T06:00:00Z"}
    swaps: [{from: nova, to: hazel, start: "2022-11-08T00:00:00Z", end: "2022-11-09T00:00:00Z", status: taken}]
    absences: [{user: malte, start: "2022-11-07T00:00:00Z", end: "2022-11-10T00:00:00Z"}]
"""
    written = Resolver(reading.loads(text, "f.yaml").schedules["infra"])
    span = (START - DAY, START + 5 * DAY)
    assert Resolver(changes.fold(events).applied(SCHEDULE)).shifts(*span) == written.shifts(*span)


# -- laws ------------------------------------------------------------------------------------------------------

WHO = st.sampled_from(("hazel", "nova", "malte", "preston"))
AT = st.integers(-2, 60).map(lambda n: START + n * HOUR)
NAMES = {prefix: st.integers(1, 3).map(lambda n, p=prefix: f"{p}-{n}") for prefix in ("ov", "sw", "ab")}  # type: ignore[misc]


@st.composite
def any_event(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    kind = draw(
        st.sampled_from(
            [*(k for k in kinds.KINDS if k.startswith("oncall.")), "retraction", "correction", "note"]
        )
    )
    if kind in ("retraction", "correction"):
        return kind, {"target": draw(st.integers(1, 9))}
    if kind == "note":
        return kind, {}
    prefix = "ov" if "overrid" in kind else "sw" if "swap" in kind else "ab"
    every = {
        "name": draw(NAMES[prefix]), "schedule": "infra", "start": draw(AT), "end": draw(AT),
        "person": draw(WHO), "kind": draw(st.sampled_from(("replace_all", "replace_user", "add_user", "remove_user", "?"))),
        "users": draw(st.lists(WHO, max_size=2)), "remove": draw(WHO), "add": draw(WHO), "level": draw(st.integers(0, 1)),
    }  # fmt: skip
    shape: Any = kinds.KINDS[kind]
    return kind, {name: every[name] for name in shape._fields}


@settings(max_examples=300, deadline=None)
@given(st.lists(any_event(), max_size=12), st.sets(st.integers(0, 11)), st.randoms(use_true_random=False))
def test_the_fold_is_total_over_any_order_of_such_events(
    told: list[tuple[str, dict[str, Any]]], redacted: set[int], random: Any
) -> None:
    events = [
        dataclasses.replace(one, redacted=True, data={}, body="") if i in redacted else one
        for i, one in enumerate(said(*told))
    ]
    random.shuffle(events)
    found = changes.fold(events)
    resolver = Resolver(found.applied(SCHEDULE))
    assert resolver.shifts(START, START + 3 * DAY)[0].start == START
    for kind, prefix in changes.PREFIXES.items():
        assert found.next_name(kind) not in {one.name for one in found.everything()}
        assert found.numbers.get(prefix, 0) >= sum(one.kind == kind for one in events)


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[tuple[str, dict[str, Any]]], Schedule]:
    """What people did, one after the other; and the same written into the file by somebody who knows the outcome."""
    told: list[tuple[str, dict[str, Any]]] = []
    overrides, swaps, absences = [], [], []
    for number in range(1, draw(st.integers(0, 4)) + 1):
        start = draw(st.integers(-2, 40))
        span = (START + start * HOUR, START + (start + draw(st.integers(1, 20))) * HOUR)
        ended = draw(st.none() | AT)
        end = span[1] if ended is None else max(span[0], min(span[1], ended))
        what, person, other = draw(st.sampled_from(("ov", "sw", "ab"))), draw(WHO), draw(WHO)
        name = f"{what}-{number}"
        if what == "ov":
            kind, level = (
                draw(st.sampled_from(("replace_user", "add_user", "remove_user"))),
                draw(st.integers(0, 1)),
            )
            data = {"kind": kind, "remove": person, "add": other, "level": level}
            told.append(
                (
                    "oncall.overridden",
                    {"name": name, "schedule": "infra", "start": span[0], "end": span[1], **data},
                )
            )
            if ended is not None:
                told.append(("oncall.override_ended", {"name": name, "end": ended}))
            overrides.append(Override(kind, span[0], end, level, (), person, other))
        elif what == "ab":
            told.append(("oncall.absent", {"name": name, "person": person, "start": span[0], "end": span[1]}))
            if ended is not None:
                told.append(("oncall.absence_ended", {"name": name, "end": ended}))
            absences.append(Absence(person, span[0], end))
        else:
            told.append(
                (
                    "oncall.swap_offered",
                    {"name": name, "schedule": "infra", "person": person, "start": span[0], "end": span[1]},
                )
            )
            if ended is None:
                swaps.append(Swap(person, other, *span, "open"))
            else:
                told.append(("oncall.swap_taken", {"name": name, "person": other, "start": ended}))
                swaps.append(Swap(person, other, min(span[1], max(span[0], ended)), span[1]))
    written = SCHEDULE._replace(
        overrides=tuple(one for one in overrides if one.start < one.end),
        swaps=tuple(one for one in swaps if one.start < one.end),
        absences=tuple(one for one in absences if one.start < one.end),
    )
    return told, written


@settings(max_examples=300, deadline=None)
@given(stories())
def test_folding_then_resolving_equals_writing_the_same_in_the_file(
    story: tuple[list[tuple[str, dict[str, Any]]], Schedule],
) -> None:
    told, written = story
    made = Resolver(changes.fold(said(*told)).applied(SCHEDULE))
    by_hand = Resolver(written)
    span = (START - 3 * HOUR, START + 65 * HOUR)
    assert made.shifts(*span) == by_hand.shifts(*span)
    for at in range(*span, 5 * HOUR):
        assert made.on_call(at) == by_hand.on_call(at)


# -- what moves ------------------------------------------------------------------------------------------------


def test_what_moves_is_told_once_where_neighbours_move_in_the_same_way() -> None:
    before = [Segment(0, 10, ("a",)), Segment(10, 20, ("b",))]
    after = [Segment(0, 4, ("a",)), Segment(4, 6, ("c",)), Segment(6, 12, ("c",)), Segment(12, 20, ("b",))]
    assert changes.moved(before, after) == [Moved(4, 10, ("a",), ("c",)), Moved(10, 12, ("b",), ("c",))]
    assert changes.moved(before, before) == []
