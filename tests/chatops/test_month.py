"""The drawing of a month: no name twice, no line too wide, nothing lost where there is too little room."""

from __future__ import annotations

import types
from typing import Any

import pytest

from chatops import layout, month
from chatops.month import short_names
from chatops.surfaces.base import Post
from chatops.surfaces.discord import render
from chatops.views import Drawing, Stack, plain
from incidents import clock
from incidents.oncall import versions
from tests.incidents.oncall.asking import resolver

NOW = clock.parse_iso("2022-11-09T12:00:00Z")


def drawn(text: str, zone: str = "UTC", year: int = 2022, number: int = 11) -> month.Month:
    call: Any = types.SimpleNamespace(zone=zone, now=NOW)
    return month.read(call, versions.of({"infra": resolver(text).schedule}), "infra", year, number)


def lines(one: month.Month, width: int = 80) -> list[str]:
    return layout.plain(one.draw(width)).splitlines()


def test_names_that_fit_are_whole_and_no_two_are_the_same() -> None:
    assert short_names(["ada", "hazel"], 7) == {"ada": "ada", "hazel": "hazel"}
    found = short_names(["alexandra-monroe", "alexandra-montgomery", "bo"], 7)
    assert found == {"alexandra-monroe": "a…roe", "alexandra-montgomery": "a…tgome", "bo": "bo"}


@pytest.mark.parametrize("room", [2, 3, 5, 7])
def test_many_names_that_are_alike_stay_apart(room: int) -> None:
    people = [f"operator-{i}{tail}" for i in range(9) for tail in ("", "x", "yy")] + [
        "日勤担当者甲",
        "日勤担当者乙",
    ]
    found = short_names(people, room)
    assert len(set(found.values())) == len(people)
    assert all(layout.cells(short) <= max(room, 3) for short in found.values())


def test_a_wide_name_keeps_the_columns_in_line() -> None:
    day = '{id: a, users: [ada], windows: [{start: "09:00", end: "17:00"}]}'
    text = lines(
        drawn(f'{{layers: [{day}, {{id: b, users: [bob], windows: [{{start: "20:00", end: "22:00"}}]}}]}}')
    )
    start = text[2].index("Wed")
    assert all(line[start - 1 : start] in ("", " ", "─") for line in text[2:-10])


@pytest.mark.parametrize("width", [69, 80, 100, 120, layout.WIDTH, 1_000_000])
def test_no_line_is_wider_than_the_screen(width: int) -> None:
    crowd = ", ".join(f"person-number-{i}" for i in range(8))
    one = drawn(
        f'{{layers: [{{id: a, rotation: {{unit: hour, length: 2, start: "2022-11-01T00:30", participants: [[{crowd}], ada]}}}}]}}'
    )
    found = lines(one, width)
    assert found and max(map(layout.cells, found)) <= min(width, 120)
    assert any("+ 8 more" in line for line in found), "a day of many turns says how many are not shown"
    assert any("+7" in line for line in found), "a group that does not fit is counted"


def test_a_screen_that_is_too_narrow_gets_the_list() -> None:
    one = drawn("{layers: [{id: a, users: [ada]}]}")
    assert one.draw(60) == []
    assert "Tue 1 Nov 00:00 – Thu 1 Dec 00:00  ada" in plain(Drawing(one.draw, one.listed()), 60)


def test_a_chat_that_draws_no_cells_gets_the_list() -> None:
    one = drawn('{layers: [{id: a, users: [ada], until: "2022-11-20T00:00:00Z"}]}')
    for view in (Drawing(one.draw, one.listed()), Stack((Drawing(one.draw, one.listed()),))):
        body = render.message(Post(view))
        assert "NOBODY" in str(body) and "────" not in str(body)


def test_a_day_that_the_clocks_skip_says_that_there_is_none() -> None:
    found = lines(drawn("{layers: [{id: a, users: [ada]}]}", "Pacific/Apia", 2011, 12))
    assert any("skipped" in line for line in found) and "Sat 31: the clocks go forward 1 d" in found
