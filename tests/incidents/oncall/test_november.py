"""Ten days of November 2022 and small cases: an oracle finds no choice that breaks a limit needlessly."""

from __future__ import annotations

from tests.bench import november_2022 as november


def test_no_limit_is_broken_while_somebody_may_take_the_duty_without() -> None:
    month = november.Ours(11, days=10).run()
    assert month.choices >= month.calls and month.broke == ()
    assert november.result(month).breaches == 0


def test_with_two_people_it_says_which_limit_is_broken_for_whom_and_why() -> None:
    month = november.Ours(1, days=10, people=november.NAMES[:2]).run()
    assert month.broke == ()
    assert month.said and all("without breaking" in one.reason for one in month.said)


def test_a_month_is_the_same_every_time() -> None:
    assert november.Ours(3, days=5).run().team.pages == november.Ours(3, days=5).run().team.pages
    assert november.plain(3, days=5).team.work == november.plain(3, days=5).team.work


def test_an_optimum_is_never_worse_than_ours() -> None:
    cases = [november.small(seed) for seed in range(6)]
    assert all(one.optimum <= one.ours for one in cases)
