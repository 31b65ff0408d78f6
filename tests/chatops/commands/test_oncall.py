"""Words that look at a schedule: the public JSON exactly, the same for people, and one clear line for what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import icalendar
import pytest

from incidents import clock
from tests.chatops.conftest import Answer, Howdah

# It is Tuesday 13 December 2022, 18:53:10Z; Berlin is an hour ahead.
ROTA = """\
schedules:
  infra:
    timezone: Europe/Berlin
    layers:
      - {id: primary, level: 1, rotation: {unit: week, start: "2022-12-12T09:00", participants: [hazel, [preston, malte]]}}
      - {id: nights, level: 2, users: [nova], windows: [{days: [fri, sat], start: "22:00", end: "06:00"}]}
    overrides: [{kind: replace_all, users: [nova], start: "2022-12-14T08:00:00Z", end: "2022-12-14T12:00:00Z"}]
  web:
    layers: [{id: day, users: [ada], windows: [{start: "09:00", end: "17:00"}]}]
"""


@pytest.fixture
def rota(howdah: Howdah) -> Path:
    path = howdah.folder / "work" / "rota.yaml"
    path.write_text(ROTA)
    return path


def ask(howdah: Howdah, *words: str, code: int = 0) -> Any:
    answer = howdah("oncall", *words, "--schedules", "rota.yaml", "--json")
    assert (answer.code, answer.err) == (code, ""), answer
    return answer.json


# -- the public JSON ---------------------------------------------------------------------------------------------


def test_who_of_one_schedule(howdah: Howdah, rota: Path) -> None:
    assert ask(howdah, "who", "infra") == {"at": "2022-12-13T18:53:10Z", "on_call": ["hazel"]}
    assert ask(howdah, "who", "infra", "--at", "2022-12-14T09:00") == {
        "at": "2022-12-14T08:00:00Z",
        "on_call": ["nova"],
    }
    assert ask(howdah, "who", "infra", "--at", "2022-12-19T08:00:00Z")["on_call"] == ["malte", "preston"]
    assert ask(howdah, "who", "web", "--at", "+1d")["on_call"] == []


def test_who_of_all(howdah: Howdah, rota: Path) -> None:
    expected = {"at": "2022-12-13T18:53:10Z", "schedules": {"infra": ["hazel"], "web": []}}
    assert ask(howdah, "who") == ask(howdah) == expected


def test_shifts_cover_the_whole_span_with_their_gaps(howdah: Howdah, rota: Path) -> None:
    span = ("--from", "2022-12-14T00:00:00Z", "--to", "2022-12-14T23:00:00+01:00")
    web = {
        "segments": [
            {"start": "2022-12-14T00:00:00Z", "end": "2022-12-14T09:00:00Z", "on_call": []},
            {"start": "2022-12-14T09:00:00Z", "end": "2022-12-14T17:00:00Z", "on_call": ["ada"]},
            {"start": "2022-12-14T17:00:00Z", "end": "2022-12-14T22:00:00Z", "on_call": []},
        ]
    }
    assert ask(howdah, "shifts", "web", *span) == web
    both = ask(howdah, "shifts", *span)
    assert both["schedules"]["web"] == web
    assert [one["on_call"] for one in both["schedules"]["infra"]["segments"]] == [
        ["hazel"],
        ["nova"],
        ["hazel"],
    ]


def test_without_from_and_to_it_is_the_week_from_now(howdah: Howdah, rota: Path) -> None:
    found = ask(howdah, "shifts", "web")["segments"]
    assert (found[0]["start"], found[-1]["end"]) == ("2022-12-13T18:53:10Z", "2022-12-20T18:53:10Z")


def test_handoffs_have_every_edge_of_every_turn_that_touches_the_span(howdah: Howdah, rota: Path) -> None:
    found = ask(howdah, "handoffs", "infra", "--from", "2022-12-13T00:00:00Z", "--to", "2022-12-20T00:00:00Z")
    edges = ["2022-12-12T08:00:00Z", "2022-12-19T08:00:00Z", "2022-12-26T08:00:00Z"]
    assert found == {"layers": {"primary": edges, "nights": []}}
    assert set(ask(howdah, "handoffs")["schedules"]) == {"infra", "web"}


def test_a_file_alone_needs_no_record_and_makes_none(howdah: Howdah, rota: Path) -> None:
    for word in ("who", "shifts", "handoffs", "next", "explain", "calendar", "ics", "check"):
        howdah("oncall", word, "--schedules", "rota.yaml")
    assert not howdah.store.exists()


# -- for people --------------------------------------------------------------------------------------------------


def test_the_bare_word_says_who_until_when_and_who_comes_then(howdah: Howdah, rota: Path) -> None:
    assert howdah.ok("oncall", "--schedules", "rota.yaml") == (
        "schedule  on call  until\n"
        "infra     hazel    Wed 14 Dec 09:00, then nova\n"
        "web       nobody   Wed 14 Dec 10:00, then ada\n"
    )
    assert howdah.ok("oncall", "--schedules", "rota.yaml", "who", "infra").count("\n") == 2


def test_the_schedules_of_the_configuration_are_meant_where_no_file_is_named(
    howdah: Howdah, rota: Path
) -> None:
    rota.rename(rota.with_name("howdah.yaml"))
    assert howdah("oncall", "who", "infra", "--json").json["on_call"] == ["hazel"]


def test_next_are_the_shifts_of_a_person_the_running_one_from_its_begin(howdah: Howdah, rota: Path) -> None:
    found = ask(howdah, "next", "hazel", "--weeks", "1")
    assert found["person"] == "hazel"
    assert found["shifts"][0] == {
        "schedule": "infra", "start": "2022-12-12T08:00:00Z", "end": "2022-12-14T08:00:00Z", "running": True,
    }  # fmt: skip
    assert not any(one["running"] for one in found["shifts"][1:])
    mine = howdah("oncall", "next", "--schedules", "rota.yaml", by="malte")
    assert "malte is on call" in mine.out and "Mon 19 Dec 09:00" in mine.out


def test_next_of_who_is_on_call_all_the_time_is_always(howdah: Howdah, rota: Path) -> None:
    rota.write_text("schedules:\n  web: {layers: [{id: all, users: [ada]}]}\n")
    told = howdah.ok("oncall", "next", "ada", "--schedules", "rota.yaml").splitlines()[-1].split("  ")
    assert [word.strip() for word in told if word.strip()] == ["web", "always", "now"]
    (one,) = howdah("oncall", "next", "ada", "--schedules", "rota.yaml", "--json").json["shifts"]
    assert (one["start"], one["end"], one["running"]) == (None, None, True)


def test_next_of_a_shift_of_months_is_known_from_its_end(howdah: Howdah, rota: Path) -> None:
    rota.write_text("schedules:\n  web: {layers: [{id: all, users: [ada], until: '2023-01-10T08:00:00Z'}]}\n")
    told = howdah.ok("oncall", "next", "ada", "--schedules", "rota.yaml").splitlines()[-1].split("  ")
    assert [word.strip() for word in told if word.strip()] == ["web", "until Tue 10 Jan 2023 09:00", "now"]


def test_who_stands_in_no_schedule_is_an_error_only_where_somebody_was_named(
    howdah: Howdah, rota: Path
) -> None:
    wrong = howdah("oncall", "next", "hazl", "--schedules", "rota.yaml")
    assert (wrong.code, wrong.err) == (2, "hazl stands in no schedule; did you mean hazel?\n")
    assert "guest has no shift in the next 8 weeks" in howdah.ok(
        "oncall", "next", "--schedules", "rota.yaml", by="guest"
    )


def test_explain_says_which_layer_turn_and_rule_and_what_is_hidden(howdah: Howdah, rota: Path) -> None:
    found = ask(howdah, "explain", "infra", "--at", "2022-12-14T09:30:00Z")
    assert found["on_call"] == ["nova"] and found["hidden"] == ["primary"]
    assert found["because"][0] == "an override makes it nova instead of hazel"
    assert found["next"] == {"at": "2022-12-14T12:00:00Z", "on_call": ["hazel"]}
    primary, nights = found["layers"]
    assert primary["turn"] == {
        "k": 0, "start": "2022-12-12T08:00:00Z", "end": "2022-12-19T08:00:00Z", "people": ["hazel"],
    }  # fmt: skip
    assert (primary["counts"], nights["turn"], nights["people"]) == (False, None, [])
    told = howdah.ok("oncall", "explain", "infra", "--at", "2022-12-16T23:00", "--schedules", "rota.yaml")
    assert "nights has the highest level that has somebody" in told
    assert (
        "turn 0 of hazel, Mon 12 Dec 09:00 – Mon 19 Dec 09:00; every week, Mon 09:00 Europe/Berlin; hidden"
        in told
    )
    assert "always nova; open Fri 16 Dec 22:00 – Sat 17 Dec 06:00" in told


def test_explain_says_what_the_clocks_did_to_this_turn(howdah: Howdah, rota: Path) -> None:
    rota.write_text(
        'schedules: {x: {timezone: Europe/Berlin, layers: [{id: a, rotation: {unit: day, start: "2022-01-01T02:30",'
        " participants: [ada, bob]}}]}}"
    )
    told = howdah.ok("oncall", "explain", "--at", "2022-03-27T12:00", "--schedules", "rota.yaml")
    assert "starts at 03:00, because there is no 02:30" in told
    assert "clocks" not in howdah.ok("oncall", "explain", "--at", "2022-06-01", "--schedules", "rota.yaml")


def test_explain_of_nobody_says_who_is_missing(howdah: Howdah, rota: Path) -> None:
    rota.write_text(
        "schedules: {x: {layers: [{id: a, users: [ada]}], absences: [{user: ada, why: holiday,"
        ' start: "2022-12-13T00:00:00Z", end: "2022-12-15T00:00:00Z"}]}}'
    )
    found = ask(howdah, "explain", "x")
    assert found["because"][0] == "a would have ada: absent"
    assert "ada is absent (holiday), Tue 13 Dec 01:00 – Thu 15 Dec 01:00" in found["because"]


def test_check_ends_with_1_where_something_is_lacking_and_0_where_nothing_is(
    howdah: Howdah, rota: Path
) -> None:
    found = ask(howdah, "check", "web", "--weeks", "1", code=1)
    assert not found["fine"] and {one["kind"] for one in found["findings"]} == {"gap", "consecutive_days"}
    fine = howdah("oncall", "check", "infra", "--weeks", "1", "--schedules", "rota.yaml")
    assert fine.code == 0 and "✓ infra: nothing is lacking until Tue 20 Dec 19:53" in fine.out
    told = howdah("oncall", "check", "--schedules", "rota.yaml").out
    assert "✗ Tue 13 Dec 19:53:10 – Wed 14 Dec 10:00: nobody for 14 h 6 min" in told and "more, " in told


def test_check_knows_who_can_be_reached_from_people(howdah: Howdah, rota: Path) -> None:
    people = "people:\n  hazel: {contacts: {phone: '1'}}\n  nova: {unix: nova}\n  malte: {discord: '112233445566778899'}\n"
    rota.with_name("howdah.yaml").write_text(people)
    found = ask(howdah, "check", "infra", code=1)["findings"]
    assert {one["says"] for one in found if one["kind"] == "unreachable"} == {
        "nova has neither contacts nor an account of a chat", "preston is not in people: of howdah.yaml",
    }  # fmt: skip


def test_diff_tells_whose_shift_moves_and_ends_with_1_only_for_what_breaks(
    howdah: Howdah, rota: Path
) -> None:
    rota.with_name("later.yaml").write_text(ROTA.replace("12T09:00", "12T10:00"))
    answer = howdah("oncall", "diff", "rota.yaml", "later.yaml")
    assert (
        answer.code == 0
        and "Sun 18 Dec 06:00 – Mon 19 Dec 09:00 becomes Sun 18 Dec 06:00 – Mon 19 Dec 10:00" in answer.out
    )
    rota.with_name("less.yaml").write_text(ROTA.replace('end: "17:00"', 'end: "16:00"'))
    broken = howdah("oncall", "diff", "rota.yaml", "less.yaml", "--weeks", "1", "--json")
    assert broken.code == 1 and {one["kind"] for one in broken.json["breaks"]} == {"gap"}
    assert howdah("oncall", "diff", "less.yaml", "rota.yaml").code == 0
    same = howdah("oncall", "diff", "rota.yaml", "rota.yaml")
    assert (same.code, same.out) == (0, "nobody's shift changes until Tue 7 Feb 2023 19:53:10\n")


def test_ics_is_the_feed_itself_and_of_one_person_only_theirs(howdah: Howdah, rota: Path) -> None:
    text = howdah.ok("oncall", "ics", "--schedules", "rota.yaml", "--person", "nova")
    events: Any = icalendar.Calendar.from_ical(text).walk("VEVENT")
    assert {str(one["summary"]) for one in events} == {"nova on call: infra"}
    assert {str(one["uid"]) for one in events} >= {"infra-nova-20221214@howdah", "infra-nova-20221216@howdah"}
    assert ask(howdah, "ics", "--person", "nova")["ics"] == text


# -- the month ---------------------------------------------------------------------------------------------------

DECEMBER = """\
infra  December 2022                                  times of Europe/Berlin

Mon        Tue        Wed        Thu        Fri        Sat        Sun
────────────────────────────────────────────────────────────────────────────
                                 1          2          3          4
                                 hazel      hazel      nova       nova
                                            22 nova    06 hazel   06 hazel
                                                       22 nova
────────────────────────────────────────────────────────────────────────────
5          6          7          8          9          10         11
hazel      mal+pre    mal+pre    mal+pre    mal+pre    nova       nova
09 mal+pre                                  22 nova    06 mal+pre 06 mal+pre
                                                       22 nova
────────────────────────────────────────────────────────────────────────────
12         [13]       14         15         16         17         18
mal+pre    hazel      hazel      hazel      hazel      nova       nova
09 hazel              09 nova               22 nova    06 hazel   06 hazel
                      13 hazel                         22 nova
"""


def test_a_month_is_drawn_to_be_read_at_80_columns_without_colour(howdah: Howdah, rota: Path) -> None:
    drawn = howdah.ok("oncall", "calendar", "infra", "--schedules", "rota.yaml")
    assert drawn.startswith(DECEMBER)
    assert max(map(len, drawn.splitlines())) <= 80
    assert "hazel (haz) 362 h   malte (mal) 304 h" in drawn


def test_a_month_says_loudly_where_nobody_is_and_where_the_clocks_change(howdah: Howdah, rota: Path) -> None:
    drawn = howdah.ok("oncall", "calendar", "web", "--month", "2022-10", "--schedules", "rota.yaml")
    assert "NOBODY  Sat 1 Oct 00:00 – 11:00 (11 h)" in drawn and "NOBODY  and 26 times more" in drawn
    assert "30 -1h" in drawn and "Sun 30: the clocks go back 1 h" in drawn


def test_a_month_in_json_has_every_day(howdah: Howdah, rota: Path) -> None:
    found = ask(howdah, "calendar", "web", "--month", "2023-02")
    assert (found["month"], found["zone"], len(found["days"])) == ("2023-02", "Europe/Berlin", 28)
    assert [one["on_call"] for one in found["days"][0]["segments"]] == [[], ["ada"], []]


# -- what is wrong -----------------------------------------------------------------------------------------------


def refused(answer: Answer) -> str:
    assert (answer.code, answer.out) == (2, "") and answer.err.count("\n") == 1, answer
    return answer.err.rstrip("\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["who", "infr"], "there is no schedule 'infr'; did you mean infra?"),
        (["who", "--at", "soon"], "'soon' is not a time; write "),
        (["shifts", "--from", "now", "--to", "now"], "--to (Tue 13 Dec 19:53:10) is not after --from"),
        (["shifts", "--to", "-1h"], "--to (Tue 13 Dec 18:53:10) is not after --from"),
        (["handoffs", "--from", "1901-01-01", "--to", "2200-01-01"], "that is longer than 200 years"),
        (["calendar", "--month", "2022-13"], "'2022-13' is not a month; write 2022-11"),
        (["check", "--weeks", "0"], "'0' is not a number of weeks"),
        (["ics", "--person", "zed"], "zed stands in no schedule; there is ada, hazel, malte, nova, preston"),
        (["next", "--weeks", "1e3"], "'1e3' is not a number of weeks"),
    ],
)
def test_what_cannot_be_asked_is_one_line(howdah: Howdah, rota: Path, words: list[str], said: str) -> None:
    assert refused(howdah("oncall", *words, "--schedules", "rota.yaml")).startswith(said)


def test_where_there_is_no_schedule_it_says_where_they_go(howdah: Howdah) -> None:
    said = refused(howdah("oncall"))
    assert (
        said
        == "there is no schedule; write them under schedules: in howdah.yaml, or name their file with --schedules"
    )
    (howdah.folder / "work" / "empty.yaml").write_text("schedules: {}\n")
    answer = howdah("oncall", "who", "--schedules", "empty.yaml")
    assert answer.code == 2 and "there is no schedule in empty.yaml" in answer.err


def test_every_mistake_of_the_file_is_told_at_its_place(howdah: Howdah, rota: Path) -> None:
    rota.write_text("schedules:\n  infra:\n    timezone: Europe/Berln\n    layers: 7\n")
    answer = howdah("oncall", "who", "--schedules", "rota.yaml")
    assert answer.code == 2 and "rota.yaml:3:15: " in answer.err and "rota.yaml:4:13: " in answer.err
    for words in (["diff", "rota.yaml", "rota.yaml"], ["check", "--schedules", "rota.yaml"]):
        assert howdah("oncall", *words).code == 2


def test_a_file_that_is_not_there_is_named(howdah: Howdah) -> None:
    assert "nope.yaml" in refused(howdah("oncall", "--schedules", "nope.yaml"))


BROKEN = "people: [\n"


@pytest.mark.parametrize(
    "words",
    [
        ["who"],
        ["shifts", "web"],
        ["handoffs"],
        ["next", "ada"],
        ["explain"],
        ["check"],
        ["calendar"],
        ["ics"],
    ],
)
def test_a_file_alone_is_answered_also_beside_a_configuration_with_mistakes(
    howdah: Howdah, rota: Path, words: list[str]
) -> None:
    (howdah.folder / "work" / "howdah.yaml").write_text(BROKEN)
    answer = howdah("oncall", *words, "--schedules", "rota.yaml", "--json")
    assert answer.code in (0, 1) and answer.json, answer
    assert "the configuration is passed over: " in answer.err and "howdah.yaml:" in answer.err
    assert howdah("oncall", *words).code == 2


def test_two_files_are_compared_also_beside_a_configuration_with_mistakes(howdah: Howdah, rota: Path) -> None:
    (howdah.folder / "work" / "howdah.yaml").write_text(BROKEN)
    answer = howdah("oncall", "diff", "rota.yaml", "rota.yaml", "--json")
    assert (answer.code, answer.json["shifts"]) == (0, []), answer


# -- the set of schedules changes --------------------------------------------------------------------------------


def keep(howdah: Howdah, **schedules: str) -> None:
    """A configuration with these schedules, each with one person always, which a writing command has seen."""
    lines = [f"  {name}: {{layers: [{{id: all, users: [{who}]}}]}}\n" for name, who in schedules.items()]
    text = "schedules:\n" + "".join(lines) if schedules else "# nothing yet\n"
    (howdah.folder / "work" / "howdah.yaml").write_text(text)
    howdah.ok("absence", "zed", "--from", "+900d", "--for", "1h")


def asked(howdah: Howdah, *words: str) -> Any:
    return howdah("oncall", *words, "--json").json


@pytest.fixture
def grown(howdah: Howdah) -> Howdah:
    """Ten hours ago there was `web` alone, since five hours there is `db` too, since one hour no `web`."""
    keep(howdah, web="ada")
    howdah.later(5 * clock.HOUR)
    keep(howdah, web="ada", db="nova")
    howdah.later(4 * clock.HOUR)
    keep(howdah, db="nova")
    howdah.later(clock.HOUR)
    return howdah


def test_the_past_has_the_schedules_of_its_version(grown: Howdah) -> None:
    assert asked(grown, "who", "--at", "-9h")["schedules"] == {"web": ["ada"]}
    assert asked(grown, "who", "--at", "-3h")["schedules"] == {"web": ["ada"], "db": ["nova"]}
    assert asked(grown, "who")["schedules"] == {"db": ["nova"]}
    assert list(asked(grown, "explain", "--at", "-9h")["schedules"]) == ["web"]
    assert asked(grown, "who", "web", "--at", "-9h")["on_call"] == ["ada"]
    assert "there was no schedule 'db' then" in refused(grown("oncall", "who", "db", "--at", "-9h"))
    assert "there is no schedule 'web'" in refused(grown("oncall", "who", "web"))


def test_who_was_on_call_until_their_schedule_was_taken_out_says_so(grown: Howdah) -> None:
    (web,) = [
        line for line in grown.ok("oncall", "who", "--at", "-3h").splitlines() if line.startswith("web")
    ]
    assert web.endswith("ada      Wed 14 Dec 04:53:10, then there is no such schedule")


def test_a_span_has_the_schedules_of_all_its_versions_each_for_the_time_that_it_was_there(
    grown: Howdah,
) -> None:
    found = asked(grown, "shifts", "--from", "-10h", "--to", "now")["schedules"]
    assert {name: [(one["start"][11:16], one["end"][11:16], one["on_call"]) for one in of_one["segments"]]
            for name, of_one in found.items()} == {
        "db": [("23:53", "04:53", ["nova"])],
        "web": [("18:53", "03:53", ["ada"])],
    }  # fmt: skip
    assert "nobody" not in grown("oncall", "shifts", "--from", "-10h", "--to", "now").out
    assert list(asked(grown, "handoffs", "--from", "-10h")["schedules"]) == ["db", "web"]
    days = asked(grown, "calendar", "web", "--month", "2022-12")["days"]
    assert [one["on_call"] for day in days for one in day["segments"] if not one["on_call"]] == []


def test_the_past_is_answered_also_when_the_last_schedule_is_gone(grown: Howdah) -> None:
    keep(grown)
    assert asked(grown, "who", "--at", "-2h")["schedules"] == {"web": ["ada"], "db": ["nova"]}
    assert "there is no schedule" in refused(grown("oncall"))
