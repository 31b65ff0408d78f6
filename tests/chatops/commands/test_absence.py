"""Who is away, and what that leaves uncovered."""

from __future__ import annotations

from incidents import clock
from tests.chatops.commands.schedules import team
from tests.chatops.conftest import Howdah

__all__ = ["team"]


def test_the_answer_says_what_it_leaves_uncovered_and_who_could_take_it(team: Howdah) -> None:
    out = team.ok("absence", "--from", "2022-12-15", "--for", "2d", "--why", "holiday", by="hazel")
    assert out == (
        "oncall #1  ab-1  hazel is absent\n"
        "Thu 15 Dec 2022 00:00 to Sat 17 Dec 2022 00:00 +01:00 (Europe/Berlin),"
        " which is Wed 14 Dec 2022 23:00 to Fri 16 Dec 2022 23:00 UTC\n"
        "infra: hazel → nobody, Thu 15 Dec 2022 09:00 to Fri 16 Dec 2022 09:00 +01:00\n"
        "1 gap with nobody; preston could take it\n"
        "howdah swap offer infra --from 2022-12-15T08:00:00Z --to 2022-12-16T08:00:00Z\n"
    )
    offered = ("swap", "offer", "infra", "--from", "2022-12-15T08:00:00Z", "--to", "2022-12-16T08:00:00Z")
    team.ok(*offered, by="hazel")
    assert "nobody → nova" in team.ok("swap", "take", "sw-1", by="nova")


def test_who_is_away_or_on_call_elsewhere_is_not_suggested(team: Howdah) -> None:
    team.ok("absence", "nova", "--for", "30d")
    (gap,) = team("absence", "--from", "2022-12-25", "--for", "2d", "--json", by="hazel").json["gaps"]
    assert gap == {
        "schedule": "infra",
        "start": "2022-12-25T08:00:00Z",
        "end": "2022-12-26T08:00:00Z",
        "could": [],
    }


def test_who_is_not_on_call_leaves_nothing_uncovered(team: Howdah) -> None:
    out = team.ok("absence", "nova", "--from", "2022-12-14", "--to", "2022-12-16", by="hazel")
    assert out.endswith("nova is not on call then\n")


def test_an_absence_holds_in_every_schedule(team: Howdah) -> None:
    made = team("absence", "malte", "--for", "1h", "--json").json
    assert [one["schedule"] for one in made["changes"]] == ["web"]
    assert made["event"]["actor"]["id"] == "nova"


def test_the_list_has_those_of_the_file_sorted_by_time(team: Howdah) -> None:
    team.ok("absence", "--for", "2d", "--why", "flu", by="hazel")
    assert (
        team.ok("absence", by="hazel")
        == team.ok("absence", "list", by="hazel")
        == (
            "name  who      from              to                schedule  why\n"
            "ab-1  hazel    19:53             Thu 15 Dec 19:53  all       flu\n"
            "-     preston  Sat 24 Dec 01:00  Tue 27 Dec 01:00  infra     holiday\n"
        )
    )


def test_who_is_back_earlier_is_on_call_again(team: Howdah) -> None:
    team.ok("absence", "--for", "2d", by="hazel")
    team.later(clock.HOUR)
    out = team.ok("absence", "end", "ab-1", by="hazel")
    assert "ab-1  hazel is back" in out
    assert "infra: nobody → hazel, Tue 13 Dec 2022 20:53:10 to Wed 14 Dec 2022 09:00 +01:00" in out
    assert "is over since" in team("absence", "end", "ab-1").err


def test_one_that_has_not_begun_is_cancelled(team: Howdah) -> None:
    team.ok("absence", "--from", "2022-12-15", "--for", "2d", by="hazel")
    assert "ab-1 is cancelled: hazel stays" in team.ok("absence", "end", "ab-1", by="malte")
    assert "ab-1" not in team.ok("absence")
    assert "cancelled by malte" in team.ok("absence", "list", "--all")


def test_the_same_key_records_it_once(team: Howdah) -> None:
    words = ("absence", "--for", "2d", "--key", "a", "--json")
    assert not team(*words, by="hazel").json["event"]["replayed"]
    team.later(clock.MINUTE)
    assert team(*words, by="hazel").json["event"]["replayed"]
    assert team("absence", "--for", "3d", "--key", "a", by="hazel").code == 2


def test_without_any_schedule_an_absence_is_kept_all_the_same(howdah: Howdah) -> None:
    assert "hazel is not on call then" in howdah.ok("absence", "--for", "2d", by="hazel")
    assert "there is no schedule" in howdah("override", "--add", "nova", "--for", "1h").err
    assert "there is no schedule" in howdah("swap", "offer").err


def test_who_is_away_by_another_absence_too_is_not_back(team: Howdah) -> None:
    team.ok("absence", "hazel", "--for", "3h")
    team.ok("absence", "hazel", "--from", "+2h", "--for", "3h")
    team.ok("absence", "hazel", "--for", "1h")
    team.later(10 * clock.MINUTE)
    out = team.ok("absence", "end", "ab-3", by="hazel")
    assert "ab-3 is ended: hazel is still absent until Wed 14 Dec 2022 00:53:10 +01:00, by ab-1, ab-2" in out
    assert "is back" not in out
    assert "hazel is back" in team.ok("absence", "end", "ab-1", by="hazel")


def test_an_absence_of_the_file_holds_in_its_schedule_only(team: Howdah) -> None:
    team.ok("absence", "preston", "--from", "2022-12-24T12:00Z", "--for", "1h")
    assert "preston is still absent in infra until Tue 27 Dec 2022 01:00 +01:00, by the file" in team.ok(
        "absence", "end", "ab-1", by="hazel"
    )
