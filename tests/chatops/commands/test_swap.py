"""A shift that somebody offers and somebody else takes."""

from __future__ import annotations

import pytest

from incidents import clock
from tests.chatops.commands.schedules import team
from tests.chatops.conftest import Howdah

__all__ = ["team"]

RUNNING = ("--from", "now", "--to", "2022-12-14T09:00")  # hazel's shift, until nine


def test_the_next_shift_is_offered_where_nothing_is_said(team: Howdah) -> None:
    """Which schedule is meant is clear too: preston is in one."""
    assert team.ok("swap", "offer", "--why", "dentist", by="preston") == (
        "oncall #1  sw-1  preston offers infra\n"
        "Wed 14 Dec 2022 08:00 to Thu 15 Dec 2022 08:00 UTC\n"
        "until somebody takes it, it stays with preston: howdah swap take sw-1\n"
    )


def test_who_is_on_call_now_offers_the_shift_after_it(team: Howdah) -> None:
    assert "Thu 15 Dec 2022 09:00 to Fri 16 Dec 2022 09:00" in team.ok("swap", "offer", by="hazel")


def test_only_time_that_one_has_by_a_layer_can_be_offered(team: Howdah) -> None:
    day = ("--from", "2022-12-20T10:00Z", "--to", "2022-12-20T12:00Z")
    refused = team(
        "swap", "offer", "infra", "--from", "2022-12-13T20:00Z", "--to", "2022-12-13T22:00Z", by="preston"
    )
    assert refused.code == 4
    assert (
        "preston has no time in infra to give" in refused.err and "howdah oncall next preston" in refused.err
    )
    by_override = team("swap", "offer", "infra", *day, by="nova")
    assert by_override.code == 4
    assert "an override puts them on call; change " in by_override.err
    team.ok("override", "infra", "--add", "malte", "--from", "2022-12-21T10:00Z", "--for", "2h")
    by_command = team(
        "swap", "offer", "infra", "--from", "2022-12-21T10:00Z", "--to", "2022-12-21T11:00Z", by="malte"
    )
    assert "howdah override end ov-1" in by_command.err
    assert team("swap", "offer", "infra", by="nova").code == 4
    assert team("swap", "offer", "infra", "--from", "+1h", by="hazel").code == 2


def test_the_same_time_is_not_offered_twice(team: Howdah) -> None:
    team.ok("swap", "offer", by="preston")
    again = team("swap", "offer", by="preston")
    assert (again.code, "sw-1 offers some of that time already" in again.err) == (4, True)
    team.ok("swap", "withdraw", "sw-1", by="preston")
    assert "sw-2" in team.ok("swap", "offer", by="preston")


def test_taking_moves_the_time_and_says_so(team: Howdah) -> None:
    team.ok("swap", "offer", by="preston")
    assert team.ok("swap", "take", "sw-1", by="hazel") == (
        "oncall #2  sw-1  infra: hazel takes it from preston\n"
        "Wed 14 Dec 2022 09:00 to Thu 15 Dec 2022 09:00 +01:00 (Europe/Berlin), which is 08:00 to Thu 15 Dec 2022 08:00 UTC\n"
        "preston → hazel, Wed 14 Dec 2022 09:00 to Thu 15 Dec 2022 09:00 +01:00\n"
    )


def test_of_a_shift_that_runs_already_what_remains_is_taken(team: Howdah) -> None:
    team.ok("swap", "offer", "infra", *RUNNING, by="hazel")
    team.later(clock.HOUR)
    (swap,) = team("swap", "list", "--json").json["swaps"]
    assert swap["status"] == "past_due"
    taken = team("swap", "take", "sw-1", "--json", by="malte").json
    assert taken["changes"] == [
        {
            "schedule": "infra",
            "start": "2022-12-13T19:53:10Z",
            "end": "2022-12-14T08:00:00Z",
            "before": ["hazel"],
            "after": ["malte"],
        }
    ]
    assert (taken["swap"]["status"], taken["swap"]["to"]) == ("taken", "malte")


def test_the_second_who_takes_it_reads_who_was_first(team: Howdah) -> None:
    team.ok("swap", "offer", by="preston")
    team.ok("swap", "take", "1", by="hazel")
    late = team("swap", "take", "sw-1", "--json", by="malte")
    assert (late.code, late.error["code"]) == (4, "already_answered")
    assert late.error["message"] == "hazel has taken sw-1 already"
    withdraw = team("swap", "withdraw", "sw-1", by="preston")
    assert withdraw.code == 4
    assert (
        "howdah swap offer infra --from 2022-12-14T08:00:00Z --to 2022-12-15T08:00:00Z --person hazel"
        in withdraw.err
    )


@pytest.mark.parametrize(
    ("by", "before", "later", "said"),
    [
        ("preston", (), 0, "sw-1 is offered by preston: somebody else must take it; howdah swap withdraw sw-1"),
        ("malte", ("swap", "withdraw", "sw-1"), 0, "sw-1 was withdrawn by preston; howdah swap list"),
        ("malte", (), 3 * clock.DAY, "sw-1 is over: "),
        ("malte", ("absence", "malte", "--from", "2022-12-15T00:00", "--for", "1d"), 0, "malte is absent then: Thu 15 Dec"),
    ],
)  # fmt: skip
def test_who_may_not_take_it_reads_why(
    team: Howdah, by: str, before: tuple[str, ...], later: int, said: str
) -> None:
    team.ok("swap", "offer", by="preston")
    if before:
        team.ok(*before, by="preston")
    team.later(later)
    refused = team("swap", "take", "sw-1", by=by)
    assert refused.code == 4
    assert said in refused.err


def test_others_may_offer_and_take_for_somebody_and_that_is_recorded(team: Howdah) -> None:
    offered = team("swap", "offer", "infra", "--person", "preston", "--json", by="hazel").json
    taken = team("swap", "take", "sw-1", "--person", "malte", "--json", by="nova").json
    assert [one["event"]["actor"]["id"] for one in (offered, taken)] == ["hazel", "nova"]
    assert (taken["swap"]["from"], taken["swap"]["to"]) == ("preston", "malte")


def test_what_was_taken_can_be_given_back(team: Howdah) -> None:
    team.ok("swap", "offer", by="preston")
    team.ok("swap", "take", "sw-1", by="malte")
    team.ok("swap", "offer", "infra", "--from", "2022-12-14T08:00Z", "--to", "2022-12-15T08:00Z", by="malte")
    assert "malte → preston" in team.ok("swap", "take", "sw-2", by="preston")


def test_a_bare_swap_lists(team: Howdah) -> None:
    assert team.ok("swap") == "nothing is offered\n"
    team.ok("swap", "offer", "--why", "dentist", by="preston")
    assert "sw-1  infra     preston  Wed 14 Dec 08:00  Thu 15 Dec 08:00  open    dentist" in team.ok(
        "swap", by="preston"
    )
    team.ok("swap", "withdraw", "sw-1")
    assert team.ok("swap", "list") == "nothing is offered\n"
    assert "withdrawn" in team.ok("swap", "list", "--all")


def test_the_same_key_records_it_once(team: Howdah) -> None:
    words = ("swap", "offer", "--key", "a", "--json")
    assert not team(*words, by="preston").json["event"]["replayed"]
    assert team(*words, by="preston").json["event"]["replayed"]
    take = ("swap", "take", "sw-1", "--key", "b", "--json")
    assert not team(*take, by="malte").json["event"]["replayed"]
    assert team(*take, by="malte").json["event"]["replayed"]
    assert team("swap", "take", "sw-1", "--person", "nova", "--key", "b", by="malte").code == 2
