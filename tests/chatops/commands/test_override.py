"""Somebody else than the schedule says, for a while."""

from __future__ import annotations

import pytest

from incidents import clock, timeline
from incidents.events import Actor
from incidents.store import open_store
from tests.chatops.commands.schedules import team
from tests.chatops.conftest import Howdah

__all__ = ["team"]

SPAN = ("--from", "2022-12-15T09:00", "--to", "2022-12-15T21:00")


def test_the_answer_has_the_time_in_both_zones_and_whose_time_moves(team: Howdah) -> None:
    out = team.ok("override", "infra", "--replace", "hazel", "--with", "nova", *SPAN, by="hazel")
    assert out == (
        "oncall #1  ov-1  infra: nova instead of hazel\n"
        "Thu 15 Dec 2022 09:00 to 21:00 +01:00 (Europe/Berlin), which is 08:00 to 20:00 UTC\n"
        "hazel → nova, Thu 15 Dec 2022 09:00 to 21:00 +01:00\n"
    )


def test_times_are_those_of_the_persons_zone(team: Howdah) -> None:
    out = team.ok("override", "infra", "--add", "malte", "--from", "14:00", "--for", "2h", by="nova")
    assert (
        "Tue 13 Dec 2022 14:00 to 16:00 -08:00 (America/Los_Angeles), which is 22:00 to Wed 14 Dec 2022 00:00 UTC"
        in out
    )


def test_the_schedule_is_the_only_one_that_names_who_goes(team: Howdah) -> None:
    assert "infra: nova instead of hazel" in team.ok(
        "override", "--replace", "hazel", "--with", "nova", "--for", "1h"
    )
    answer = team("override", "--add", "nova", "--for", "1h")
    assert answer.code == 2
    assert "name one: infra, web" in answer.err


@pytest.mark.parametrize(
    ("words", "moves"),
    [
        (("--add", "malte"), "hazel → hazel, malte"),
        (("--remove", "hazel"), "hazel → nobody"),
        (("--all", "nova,malte"), "hazel → malte, nova"),
        (
            ("--replace", "preston", "--with", "malte"),
            "it moves nobody as things stand: preston is not on call then",
        ),
        (("--add", "hazel"), "it moves nobody as things stand"),
    ],
)
def test_every_kind_says_what_it_does(team: Howdah, words: tuple[str, ...], moves: str) -> None:
    assert moves in team.ok("override", "infra", *words, *SPAN)


def test_what_was_is_not_changed(team: Howdah) -> None:
    """A start in the past is now; an end in the past is refused."""
    made = team("override", "infra", "--add", "malte", "--from", "-3h", "--for", "4h", "--json").json
    assert made["event"]["data"]["start"] == made["event"]["data"]["end"] - clock.HOUR
    assert made["changes"][0]["start"] == "2022-12-13T18:53:10Z"
    assert team("override", "infra", "--add", "malte", "--from", "-3h", "--to", "-1h").code == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("infra", "--add", "nova"), "it is not said when it ends; give --to TIME, or --for 8h"),
        (("infra", "--add", "nova", "--for", "1h", "--to", "+1h"), "both say when it ends"),
        (("infra", "--for", "1h"), "give --replace A --with B"),
        (("infra", "--add", "nova", "--remove", "hazel", "--for", "1h"), "one override does one thing"),
        (("infra", "--replace", "nova", "--for", "1h"), "--replace and --with go together"),
        (("infra", "--replace", "nova", "--with", "nova", "--for", "1h"), "nova cannot take their own place"),
        (("infra", "--add", "malt", "--for", "1h"), "did you mean malte?"),
        (("inrfa", "--add", "nova", "--for", "1h"), "there is no schedule 'inrfa'; did you mean infra?"),
        (("infra", "--add", "nova", "--from", "+2h", "--to", "+1h"), "not after it begins"),
        (("infra", "--add", "nova", "--for", "9999d", "--from", "-9999d"), "it would be over already"),
        (("infra", "--add", "nova", "--to", "8999-01-01"), "longer than 10,000 days"),
        (("infra", "--add", "nova", "--for", "1h", "--level", "high"), "'high' is not a level"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_cure(
    team: Howdah, words: tuple[str, ...], said: str
) -> None:
    answer = team("override", *words)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err
    assert team("override", "list", "--all", "--json").json["overrides"][0]["name"] is None, (
        "nothing was written"
    )


def test_two_of_one_level_must_not_name_the_same_person_at_the_same_time(team: Howdah) -> None:
    team.ok("override", "infra", "--replace", "hazel", "--with", "nova", *SPAN, by="hazel")
    refused = team(
        "override", "infra", "--add", "nova", "--from", "2022-12-15T20:00", "--for", "2h", by="hazel"
    )
    assert refused.code == 4
    assert (
        "ov-1, made by hazel, names nova too: nova instead of hazel, Thu 15 Dec 2022 09:00 to 21:00"
        in refused.err
    )
    assert "howdah override end ov-1, or give this one another --level" in refused.err
    team.ok("override", "infra", "--add", "nova", "--from", "2022-12-15T21:00", "--for", "2h", by="hazel")
    team.ok("override", "infra", "--add", "nova", *SPAN, "--level", "1", by="hazel")
    team.ok("override", "web", "--add", "nova", *SPAN, by="hazel")
    team.ok("override", "end", "ov-1", by="hazel")
    team.ok("override", "infra", "--remove", "hazel", *SPAN, by="hazel")


def test_one_of_the_file_counts_for_the_overlap_too(team: Howdah) -> None:
    refused = team("override", "infra", "--remove", "nova", "--from", "2022-12-20T12:00Z", "--for", "1h")
    assert refused.code == 4
    assert "howdah.yaml names nova too: nova too" in refused.err and "end it there" in refused.err


def test_the_list_has_those_of_the_file_and_leaves_out_what_is_over(team: Howdah) -> None:
    team.ok("override", "infra", "--add", "malte", "--for", "1h", "--why", "extra hands", by="hazel")
    assert (
        team.ok("override", by="hazel")
        == team.ok("override", "list", by="hazel")
        == (
            "name  schedule  what       from              to                by\n"
            "-     infra     nova too   Tue 20 Dec 09:00  Tue 20 Dec 21:00  the file\n"
            "ov-1  infra     malte too  19:53             20:53             hazel: extra hands\n"
        )
    )
    team.later(2 * clock.HOUR)
    assert "ov-1" not in team.ok("override", "list", "infra")
    assert "ov-1" in team.ok("override", "list", "--all")


def test_an_end_is_now_and_says_who_is_on_call_again(team: Howdah) -> None:
    team.ok("override", "infra", "--replace", "hazel", "--with", "nova", "--for", "4h", by="hazel")
    team.later(clock.HOUR)
    out = team.ok("override", "end", "1", by="malte")
    assert "ov-1 is ended: infra: nova instead of hazel" in out
    assert "nova → hazel, Tue 13 Dec 2022 19:53:10 to 22:53:10 +00:00" in out
    again = team("override", "end", "ov-1")
    assert (again.code, "ov-1 is over since" in again.err and "by malte" in again.err) == (4, True)


def test_one_that_has_not_begun_is_cancelled(team: Howdah) -> None:
    team.ok("override", "infra", "--add", "nova", *SPAN, by="hazel")
    assert "ov-1 is cancelled" in team.ok("override", "end", "ov-1", by="malte")
    assert "ov-1 was cancelled by malte" in team("override", "end", "ov-1").err
    assert "there is no override ov-7; did you mean ov-1?" in team("override", "end", "ov-7").err


def test_the_same_key_records_it_once_although_later_means_another_instant(team: Howdah) -> None:
    words = ("override", "infra", "--add", "malte", "--from", "+1h", "--for", "2h", "--key", "bot-1")
    first = team(*words, "--json").json
    team.later(10 * clock.MINUTE)
    again = team(*words, "--json").json
    assert (again["event"]["replayed"], again["event"]["id"]) == (True, first["event"]["id"])
    assert again["changes"] == first["changes"]
    other = team(
        "override", "infra", "--add", "malte", "--from", "+1h", "--for", "3h", "--key", "bot-1", "--json"
    )
    assert (other.code, other.error["code"]) == (2, "key_conflict")


def test_a_redacted_override_takes_no_part_and_the_list_says_it(team: Howdah) -> None:
    team.ok("override", "infra", "--add", "malte", "--for", "4h")
    with open_store(str(team.store)) as store:
        timeline.redact(store, "oncall", [1], "a name", Actor("human", "nova"))
    answer = team("override", "list")
    assert "ov-1" not in answer.out
    assert "1 change is redacted or retracted and takes no part any more" in answer.err
    assert "ov-2" in team.ok("override", "infra", "--add", "malte", "--for", "4h"), (
        "its name is not given again"
    )


def test_a_name_that_is_also_a_word_below_is_reached_with_an_option_first(team: Howdah) -> None:
    answer = team("override", "--add", "nova", "--for", "1h", "list")
    assert "there is no schedule 'list'" in answer.err


def test_names_are_offered_while_one_types(
    team: Howdah, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    team.ok("override", "infra", "--add", "malte", "--for", "4h")
    monkeypatch.setenv("_HOWDAH_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "howdah override end ")
    monkeypatch.setenv("COMP_CWORD", "3")
    with pytest.raises(SystemExit):
        team()
    assert "plain,ov-1" in capsys.readouterr().out


def test_the_list_has_the_overrides_of_a_schedule_that_is_gone(team: Howdah) -> None:
    team.ok("override", "web", "--add", "nova", "--for", "1h")
    file = team.folder / "work" / "howdah.yaml"
    file.write_text(file.read_text().replace("  web:\n", "  site:\n"))
    for words in (["override", "list"], ["override", "list", "web"]):
        (one,) = [one for one in team(*words, "--json").json["overrides"] if one["name"]]
        assert (one["name"], one["schedule"]) == ("ov-1", "web")
    assert "the schedule is gone" in team.ok("override", "list")
    team.later(clock.DAY)
    assert "ov-1" not in team.ok("override", "list") and "ov-1" in team.ok("override", "list", "--all")
