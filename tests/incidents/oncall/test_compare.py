"""An edit of a schedule: whose shift it moves, and what it breaks that was whole before."""

from __future__ import annotations

from incidents import clock
from incidents.oncall import compare
from incidents.oncall.compare import Difference
from incidents.oncall.limits import Limits
from tests.incidents.oncall.asking import at, iso, resolver

START = at("2022-11-07T09:00Z")
END = START + 6 * 7 * clock.DAY


def weekly(people: str, start: str = "2022-11-07T09:00", more: str = "") -> str:
    return (
        f'{{layers: [{{id: a, rotation: {{unit: week, start: "{start}", participants: [{people}]}}}}]{more}}}'
    )


def difference(old: str, new: str, **about: object) -> Difference:
    was, now = ({"infra": resolver(text).schedule} for text in (old, new))
    return compare.compare(was, now, START, END, **about)  # type: ignore[arg-type]


def told(found: Difference) -> list[str]:
    def span(one: tuple[int, int] | None) -> str:
        return f"{iso(one[0])[5:16]}/{iso(one[1])[5:16]}" if one else ""

    return [
        " ".join(filter(None, (one.person, one.what, span(one.old), span(one.new)))) for one in found.shifts
    ]


def test_the_same_schedule_twice_is_no_difference() -> None:
    found = difference(weekly("ada, bob"), weekly("ada, bob"))
    assert (found.shifts, found.spans, found.breaks) == ((), {}, ())


def test_two_people_who_change_places_each_have_a_shift_moved() -> None:
    found = difference(weekly("ada, bob, cyd, dot, eve, fay"), weekly("bob, ada, cyd, dot, eve, fay"))
    assert told(found) == [
        "ada moves 11-07T09:00/11-14T09:00 11-14T09:00/11-21T09:00",
        "bob moves 11-14T09:00/11-21T09:00 11-07T09:00/11-14T09:00",
    ]
    assert found.breaks == ()


def test_a_later_hour_of_handing_over_changes_every_shift_and_moves_none() -> None:
    found = difference(weekly("ada, bob"), weekly("ada, bob", "2022-11-07T10:00"))
    assert {one.what for one in found.shifts} == {"changes"}
    assert "ada changes 11-07T09:00/11-14T09:00 11-07T10:00/11-14T10:00" in told(found)


def test_who_is_new_gains_and_who_has_left_loses() -> None:
    found = difference(weekly("ada, bob"), weekly("ada, cyd"))
    assert {(one.person, one.what) for one in found.shifts} == {("bob", "loses"), ("cyd", "gains")}


def test_an_override_splits_a_shift() -> None:
    more = ', overrides: [{kind: replace_user, remove: ada, add: bob, start: "2022-11-09T00:00:00Z", end: "2022-11-10T00:00:00Z"}]'
    found = difference(weekly("ada, cyd"), weekly("ada, cyd", more=more))
    assert told(found) == [
        "ada changes 11-07T09:00/11-14T09:00 11-07T09:00/11-09T00:00",
        "bob gains 11-09T00:00/11-10T00:00",
        "ada gains 11-10T00:00/11-14T09:00",
    ]
    (span,) = found.spans["infra"]
    assert (span.before, span.after) == (("ada",), ("bob",))


def test_a_gap_that_was_there_before_is_not_what_this_edit_breaks() -> None:
    bounded = '{layers: [{id: a, users: [ada], until: "2022-11-20T00:00:00Z"}]}'
    sooner = '{layers: [{id: a, users: [ada], until: "2022-11-18T00:00:00Z"}]}'
    rules = Limits(consecutive_days=None)
    (one,) = difference(bounded, sooner, rules=rules).breaks
    assert (one.kind, one.says, iso(one.start)) == ("gap", "nobody for 2 d", "2022-11-18T00:00Z")
    assert difference(sooner, bounded, rules=rules).breaks == ()


def test_rest_that_the_new_one_takes_is_told_with_whose_it_is() -> None:
    def shift(start: str, end: str) -> str:
        return (
            '{layers: [{id: a, users: [ada], windows: [{start: "09:00", end: "17:00"}]},'
            f'{{id: b, users: [bob], windows: [{{days: [mon], start: "{start}", end: "{end}"}}]}},'
            '{id: c, users: [bob], windows: [{days: [tue], start: "08:00", end: "16:00"}]}], resolution: union}'
        )

    rules = Limits(consecutive_days=None)
    found = difference(shift("08:00", "16:00"), shift("17:00", "23:30"), rules=rules)
    rests = [one for one in found.breaks if one.kind == "rest"]
    assert rests and {(one.person, one.says) for one in rests} == {
        ("bob", "bob: rested 8 h 30 min, limit 11 h")
    }
    back = difference(shift("17:00", "23:30"), shift("08:00", "16:00"), rules=rules)
    assert "rest" not in {one.kind for one in back.breaks}


def test_somebody_in_two_places_only_in_the_new_one_is_a_break() -> None:
    infra, web = (
        resolver(weekly("ada, bob")).schedule,
        resolver(weekly("cyd, dot")).schedule._replace(name="web"),
    )
    both = resolver(weekly("ada, dot")).schedule._replace(name="web")
    rules = Limits(consecutive_days=None)
    found = compare.compare(
        {"infra": infra, "web": web}, {"infra": infra, "web": both}, START, END, rules=rules
    )
    assert {(one.kind, one.person) for one in found.breaks} == {("doubled", "ada")}


def test_a_schedule_that_is_gone_is_a_gap_and_one_that_is_new_breaks_nothing() -> None:
    infra = resolver(weekly("ada, bob")).schedule
    (one,) = compare.compare({"infra": infra}, {}, START, END).breaks
    assert (one.kind, one.start, one.end) == ("gap", START, END)
    found = compare.compare({}, {"infra": infra}, START, END)
    assert found.breaks == () and {shift.what for shift in found.shifts} == {"gains"}
