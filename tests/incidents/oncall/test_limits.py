"""The section `limits:` of howdah.yaml."""

from __future__ import annotations

import pytest

from incidents import clock, yamlfile
from incidents.oncall import limits
from incidents.oncall.limits import Limits


def parsed(text: str) -> tuple[Limits, list[str]]:
    found, wrong = limits.parse(yamlfile.parse(text, "x"), "x")
    return found, [f"{one.line}:{one.column} {one.message}" for one in wrong]


def test_what_is_left_out_has_its_default_and_never_switches_off() -> None:
    found, wrong = parsed("{active: 6h, rest: never, pages_per_night: 1, consecutive_days: null}")
    assert wrong == []
    assert found == Limits(active=6 * clock.HOUR, rest=None, pages_per_night=1, consecutive_days=None)
    assert parsed("{}") == (Limits(), [])


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("8h", "1:1 limits: is a map"),
        ("{activ: 8h}", "1:2 limits: there is no limit 'activ'"),
        ("{active: 8}", "1:10 active: is a length of time such as 8h, or never"),
        ("{active: [8h]}", "1:10 active: is a length of time such as 8h, or never"),
        ("{rest: 30s}", "1:8 rest: is at least one minute, or never"),
        ("{rest: 24h}", "1:8 rest: is less than a day"),
        ("{pages_per_shift: 0}", "1:19 pages_per_shift: is a whole number from 1, or never"),
        ("{pages_per_night: 2.5}", "1:19 pages_per_night: is a whole number from 0, or never"),
        ("{consecutive_days: 7d}", "1:20 consecutive_days: is a whole number from 1, or never"),
        ("{notice: never}", "1:10 notice: is a length of time such as 8h"),
        ("{overrun: null}", "1:11 overrun: is a length of time such as 8h"),
    ],
)
def test_every_mistake_has_its_place(text: str, mistake: str) -> None:
    assert parsed(text)[1] == [mistake]


def test_all_mistakes_are_told_at_once() -> None:
    assert len(parsed("active: 8\nrest: x\nnights: 2\n")[1]) == 3
