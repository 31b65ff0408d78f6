"""What a schedule lacks is found before anybody is needed: each kind once, and nothing in a sound one."""

from __future__ import annotations

from incidents import clock
from incidents.oncall import check
from incidents.oncall.check import Finding, Known
from incidents.oncall.limits import Limits
from tests.incidents.oncall.asking import at, iso, resolver

START, END = at("2022-11-01T00:00Z"), at("2023-05-01T00:00Z")
WEEKLY = 'rotation: {unit: week, start: "2022-11-07T09:00", participants: [ada, bob, cyd]}'


def findings(text: str, start: int = START, end: int = END, **about: object) -> list[Finding]:
    return check.check(resolver(text).schedule, start, end, **about)  # type: ignore[arg-type]


def said(found: list[Finding]) -> list[tuple[str, str, str]]:
    return [(one.kind, iso(one.start), one.says) for one in found]


def test_a_sound_schedule_has_no_finding() -> None:
    people = {name: Known() for name in ("ada", "bob", "cyd")}
    assert findings(f"{{timezone: Europe/Berlin, layers: [{{id: a, {WEEKLY}}}]}}", people=people) == []


def test_a_gap_is_told_once_with_its_whole_length() -> None:
    found = findings(
        f'{{layers: [{{id: a, {WEEKLY}, until: "2022-12-01T00:00:00Z"}}, {{id: b, {WEEKLY}, from: "2022-12-03T06:00:00Z"}}]}}'
    )
    assert said(found) == [("gap", "2022-12-01T00:00Z", "nobody for 2 d 6 h")]
    assert check.lacking(found) and iso(found[0].end) == "2022-12-03T06:00Z"


def test_nobody_at_all_is_one_finding_and_not_a_gap() -> None:
    (one,) = findings("{layers: []}")
    assert (one.kind, one.state, one.do) == ("empty", "lack", "add layers")
    (one,) = findings('{layers: [{id: a, users: [ada], until: "2022-01-01T00:00:00Z"}]}')
    assert one.kind == "empty"


def test_an_absence_that_leaves_nobody_names_whose_and_who_could_help() -> None:
    (one,) = findings(
        f"{{layers: [{{id: a, {WEEKLY}}}], absences: [{{user: ada, why: holiday,"
        ' start: "2022-11-09T00:00:00Z", end: "2022-11-10T00:00:00Z"}]}'
    )
    assert (one.kind, one.says) == ("gap", "nobody for 1 d: ada is absent (holiday)")
    command = "howdah override infra --add bob --from 2022-11-09T00:00:00Z --to 2022-11-10T00:00:00Z"
    assert (one.do, one.people) == (f"bob or cyd could take it: {command}", ("ada",))


def test_who_is_absent_too_is_not_asked_to_help() -> None:
    (one,) = findings(
        f"{{layers: [{{id: a, {WEEKLY}}}], absences: ["
        '{user: ada, start: "2022-11-09T00:00:00Z", end: "2022-11-10T00:00:00Z"},'
        '{user: bob, start: "2022-11-09T12:00:00Z", end: "2022-11-09T13:00:00Z"}]}'
    )
    assert one.do.startswith("cyd could take it: howdah override infra --add cyd ")


def test_an_absence_that_somebody_else_covers_is_no_gap() -> None:
    layers = f"{{id: a, level: 1, {WEEKLY}}}, {{id: b, users: [dot]}}"
    absent = '{user: ada, start: "2022-11-09T00:00:00Z", end: "2022-11-10T00:00:00Z"}'
    assert findings(f"{{layers: [{layers}], absences: [{absent}]}}") == []


def test_a_gap_by_clocks_that_change_on_different_days_says_so() -> None:
    """America goes forward on 12 March 2023, Europe on the 26th."""
    found = findings(
        '{layers: [{id: eu, users: [ada], timezone: Europe/Berlin, windows: [{start: "09:00", end: "21:00"}]},'
        '{id: us, users: [bob], timezone: America/New_York, windows: [{start: "15:00", end: "03:00"}]}]}',
        at("2022-12-01T00:00Z"),
        rules=Limits(consecutive_days=None, rest=None),
    )
    gaps = [one for one in found if one.kind == "gap"]
    assert [iso(one.start) for one in gaps[:2]] == ["2023-03-12T07:00Z", "2023-03-13T07:00Z"] and len(
        gaps
    ) == 14
    apart = "America/New_York and Europe/Berlin are 5 h apart then, usually 6 h"
    assert {one.says for one in gaps} == {f"nobody for 1 h: {apart}"}


def test_who_cannot_be_reached_is_told_with_the_first_shift() -> None:
    people = {"ada": Known(), "bob": Known(lacks="has neither contacts nor an account of a chat")}
    found = findings(f"{{layers: [{{id: a, {WEEKLY}}}]}}", at("2022-11-07T09:00Z"), people=people)
    assert said(found) == [
        ("unreachable", "2022-11-14T09:00Z", "bob has neither contacts nor an account of a chat"),
        ("unreachable", "2022-11-21T09:00Z", "cyd is not in people: of howdah.yaml"),
    ]


def test_without_people_it_is_not_asked_who_can_be_reached() -> None:
    assert findings(f"{{layers: [{{id: a, {WEEKLY}}}]}}", people=None) == []


def test_too_little_rest_and_too_many_days_are_told_by_the_limits_that_are_set() -> None:
    short = '{layers: [{id: a, rotation: {unit: hour, length: 8, start: "2022-11-01T00:00", participants: [ada, bob]}}]}'
    found = findings(short, end=at("2022-11-02T00:00Z"), rules=Limits(consecutive_days=None))
    assert {(one.kind, one.says) for one in found} == {
        ("rest", "ada: rested 8 h, limit 11 h"), ("rest", "bob: rested 8 h, limit 11 h"),
    }  # fmt: skip
    assert findings(short, rules=Limits(consecutive_days=None, rest=None)) == []


def test_a_row_of_days_is_told_once_from_where_it_is_too_long() -> None:
    daily = '{layers: [{id: a, users: [ada], windows: [{start: "09:00", end: "17:00"}], until: "2022-11-21T00:00:00Z"}]}'
    rows = [one for one in findings(daily, at("2022-11-01T09:00Z")) if one.kind == "consecutive_days"]
    assert len(rows) == 1 and rows[0].people == ("ada",) and "limit 7" in rows[0].says


def test_a_weekly_turn_is_seven_days_also_when_the_clocks_go_back() -> None:
    layers = f"{{timezone: Europe/Berlin, layers: [{{id: a, {WEEKLY}}}]}}"
    assert findings(layers, at("2022-10-01T00:00Z")) == []


def test_overrides_and_swaps_for_people_on_no_layer_are_noted() -> None:
    span = 'start: "2022-12-01T00:00:00Z", end: "2022-12-02T00:00:00Z"'
    found = findings(
        f"{{layers: [{{id: a, {WEEKLY}}}], overrides: [{{kind: add_user, add: eve, {span}}},"
        f"{{kind: remove_user, remove: zed, {span}}}, {{kind: remove_user, remove: eve, level: 1, {span}}}],"
        f"swaps: [{{from: yan, to: ada, {span}, status: open}}, {{from: yan, to: ada, {span}, status: deleted}}]}}"
    )
    assert [one.says for one in found] == [
        "a swap of yan changes nothing: they are on no layer",
        "add_user puts eve on call, who is on no layer",
        "remove_user of zed changes nothing: they are on no layer",
    ]
    assert not check.lacking(found)


def test_a_layer_that_is_always_hidden_is_noted_and_one_that_shows_once_is_not() -> None:
    layers = f"{{id: a, level: 2, {WEEKLY}}}, {{id: b, level: 1, users: [ada]}}"
    (one,) = findings(f"{{layers: [{layers}]}}")
    assert (one.kind, one.says.partition(" is")[0]) == ("hidden", "layer b")
    late = f'{{id: a, level: 2, {WEEKLY}, until: "2023-04-30T00:00:00Z"}}, {{id: b, level: 1, users: [ada]}}'
    assert findings(f"{{layers: [{late}]}}") == []
    assert findings(f"{{resolution: union, layers: [{layers}]}}", rules=Limits(consecutive_days=None)) == []


def test_who_never_has_a_turn_is_noted() -> None:
    daily = (
        '{id: day, rotation: {unit: day, start: "2022-11-07T00:00", participants: [PEOPLE]},'
        ' windows: [{days: [mon, tue, wed, thu, fri], start: "09:00", end: "17:00"}]}'
    )
    week = "{layers: [" + daily.replace("PEOPLE", "ada, bob, cyd, dee, eve, fay, gil") + "]}"
    found = [one for one in findings(week) if one.kind == "never"]
    assert [(one.people, one.state) for one in found] == [(("fay",), "note"), (("gil",), "note")]
    assert found[0].says.startswith("fay is on layer day and never on call in the next ")
    assert not check.lacking(found)
    assert [one.people for one in findings(week, rules=Limits(), end=START + clock.DAY) if one.kind == "never"] == [
        ("fay",), ("gil",),
    ]  # fmt: skip
    five = "{layers: [" + daily.replace("PEOPLE", "ada, bob, cyd, dee, eve") + "]}"
    assert [one for one in findings(five, end=START + clock.DAY) if one.kind == "never"] == []


def test_who_has_their_turn_after_what_was_asked_about_is_not_noted() -> None:
    many = ", ".join(f"p{number}" for number in range(40))
    text = f'{{layers: [{{id: a, rotation: {{unit: week, start: "2022-11-07T09:00", participants: [{many}]}}}}]}}'
    assert [one for one in findings(text) if one.kind == "never"] == []
    ended = f'{{layers: [{{id: a, {WEEKLY}}}, {{id: b, users: [old], until: "2022-01-01T00:00:00Z"}}]}}'
    assert [one for one in findings(ended) if one.kind == "never"] == []


def test_two_layers_together_can_hide_a_third() -> None:
    day = '{id: day, level: 2, users: [ada], windows: [{start: "06:00", end: "18:00"}]}'
    night = '{id: night, level: 2, users: [bob], windows: [{start: "18:00", end: "06:00"}]}'
    found = findings(
        f"{{layers: [{day}, {night}, {{id: b, users: [cyd]}}]}}",
        rules=Limits(consecutive_days=None, rest=None),
    )
    assert [one.says.partition(" is")[0] for one in found] == ["layer b"]


def test_two_schedules_show_who_is_in_both_and_whose_rest_one_takes_from_the_other() -> None:
    day = resolver('{layers: [{id: a, users: [ada], windows: [{start: "09:00", end: "17:00"}]}]}').schedule
    late = resolver('{layers: [{id: a, users: [ada], windows: [{start: "20:00", end: "02:00"}]}]}').schedule
    rules = Limits(consecutive_days=None)
    for one in (day, late):
        assert [f.kind for f in check.check(one, START, END, rules=rules) if f.kind != "gap"] == []
    found = check.check_all({"day": day, "late": late._replace(name="late")}, START, END, rules=rules)
    rests = [one for one in found if one.kind == "rest"]
    assert rests and {one.schedule for one in rests} == {"day, late"}
    both = check.check_all({"a": day, "b": day._replace(name="b")}, START, START + clock.DAY, rules=rules)
    assert [one.says for one in both if one.kind == "doubled"] == ["ada is on call for b as well"]


def test_what_the_clocks_do_is_a_note() -> None:
    (one,) = findings(
        '{timezone: Europe/Berlin, layers: [{id: a, rotation: {unit: week, start: "2022-11-06T02:30", participants: [ada, bob]}}]}'
    )
    assert (one.kind, one.state) == ("clock", "note")
    assert one.says.startswith("the clocks of Europe/Berlin go forward 1 h: the turn of ")


# -- the edges of what is looked at ----------------------------------------------------------------------------


MONTHLY = '{layers: [{id: a, rotation: {unit: month, start: "2022-11-01T09:00", participants: [ada, bob]}}]}'


def days_in_a_row(text: str, start: str, end: str) -> list[str]:
    return [one.says for one in findings(text, at(start), at(end)) if one.kind == "consecutive_days"]


def test_a_row_of_days_is_counted_whole_although_it_begins_before_and_ends_after() -> None:
    assert days_in_a_row(MONTHLY, "2022-11-20T09:00Z", "2022-12-10T09:00Z") == [
        "ada: 30 days in a row, limit 7",
        "bob: 31 days in a row, limit 7",
    ]


def test_a_row_of_days_whose_ends_are_not_seen_is_at_least_so_long() -> None:
    (says,) = days_in_a_row("{layers: [{id: a, users: [ada]}]}", "2022-11-20T09:00Z", "2022-12-10T09:00Z")
    assert says == "ada: at least 84 days in a row, limit 7"


def test_a_shift_every_day_is_one_row_also_beyond_what_was_asked_about() -> None:
    daily = '{layers: [{id: a, users: [ada], windows: [{start: "09:00", end: "17:00"}]}]}'
    (says,) = days_in_a_row(daily, "2022-11-20T09:00Z", "2022-12-10T09:00Z")
    assert says == "ada: at least 84 days in a row, limit 7"


def test_a_row_of_days_that_is_over_and_one_that_has_not_begun_are_not_told() -> None:
    assert days_in_a_row(MONTHLY, "2022-12-01T11:00Z", "2022-12-05T09:00Z") == []


def test_too_little_rest_before_now_is_not_told_and_what_comes_is_told_once_each() -> None:
    short = '{layers: [{id: a, rotation: {unit: hour, length: 8, start: "2022-11-01T00:00", participants: [ada, bob]}}]}'
    begin = at("2022-11-20T09:00Z")
    found = findings(short, begin, begin + clock.DAY, rules=Limits(consecutive_days=None))
    assert [(one.start - begin) // clock.HOUR for one in found if one.kind == "rest"] == [7, 15, 23]
