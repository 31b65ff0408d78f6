"""Catch me up: never more than 15 lines of 80, whatever was recorded, and nothing that nobody said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatops import briefing, layout
from incidents import cadence, clock
from incidents.events import Event
from tests.chatops.conftest import Howdah
from tests.making import event

START = clock.parse_iso("2022-12-13T18:00:00Z")
BOOK = "name: cure\nsteps:\n  - {id: look, effect: read, run: 'true'}\n  - {id: cure, confirm: Sure?, run: 'true'}\n"


def briefed(events: list[Event]) -> list[str]:
    now = clock.Reading(START + 3 * clock.HOUR, "boot", 0)
    return list(briefing.brief(events, [], cadence.DEFAULTS, "UTC", now).lines)


def said(howdah: Howdah) -> dict[str, str]:
    """The first line of each name."""
    found: dict[str, str] = {}
    for line in howdah.ok("summary").splitlines()[1:]:
        if line[:8].strip():
            found[line[:8].strip()] = line[9:]
    return found


TEXT = st.text(max_size=200)
KINDS = st.sampled_from(["note", "update", "task.added", "role.assigned", "impact"])


@settings(deadline=None)
@given(TEXT, st.lists(st.tuples(KINDS, TEXT), max_size=30))
def test_it_is_never_longer_than_15_lines_of_80_cells(title: str, entries: list[tuple[str, str]]) -> None:
    events = [event("incident.declared", seq=1, at=START, data={"title": title, "severity": "sev1"})]
    for seq, (kind, text) in enumerate(entries, 2):
        given: dict[str, dict[str, Any]] = {
            "task.added": {"task": seq, "owner": text},
            "impact": {"about": "impact"},
            "role.assigned": {"role": f"{seq}{text}", "person": text},
        }
        data = given.get(kind, {})
        kind = "note" if kind == "impact" else kind
        events.append(event(kind, seq=seq, at=START + seq * clock.MINUTE, body=text, data=data))
    lines = briefed(events)
    assert len(lines) <= briefing.LINES
    for line in lines:
        assert layout.cells(line) <= briefing.WIDTH and "\n" not in line and "\x1b" not in line


def test_what_nobody_wrote_down_is_unknown(howdah: Howdah) -> None:
    howdah.ok("declare", "Media uploads fail", "--sev", "2")
    found = said(howdah)
    assert found["hurts"] == "unknown: howdah note --incident inc-1 --about impact TEXT"
    assert found["tried"] == "nothing yet, as far as it is recorded"
    assert found["now"] == "nothing runs"
    assert found["told"].startswith("nobody outside yet; due ")
    assert found["next"] == "nobody leads: howdah role --incident inc-1 commander me"


def test_who_was_woken_reads_what_hurts_what_was_tried_what_waits_and_who_is_there(
    howdah: Howdah, tmp_path: Path
) -> None:
    book = tmp_path / "book.yaml"
    book.write_text(BOOK)
    howdah.ok("declare", "Media uploads fail", "--sev", "2")
    howdah.ok("note", "--about", "impact", "no uploads in Europe", by="malte")
    howdah.ok("role", "commander", "nova")
    howdah.ok("task", "add", "--owner", "malte", "look at the disks")
    howdah("do", "--", "false")
    howdah("run", str(book))
    howdah.ok("update", "we are on it")
    found = said(howdah)
    assert found["hurts"].startswith("no uploads in Europe (malte, ")
    assert "do false: failed · exit 1" in found["tried"]
    assert "cure asks (confirm) · cure" in found["now"]
    assert found["who"].startswith("commander nova; at work ") and "malte" in found["who"]
    assert found["tasks"] == "1 open: 1 look at the disks (malte)"
    assert found["told"].startswith("last update ")
    assert found["next"].startswith("cure waits for an answer: howdah attach run-")


def test_a_doubt_is_decided_before_anything_else(howdah: Howdah, tmp_path: Path) -> None:
    book = tmp_path / "book.yaml"
    book.write_text(BOOK)
    howdah.ok("declare", "Media uploads fail")
    howdah("run", str(book))
    howdah("do", "--", "sh", "-c", "kill -9 $$")
    found = said(howdah)
    assert "command IN DOUBT whether it happened" in found["now"]
    assert found["next"].startswith("did command happen?: howdah attach run-")


def test_after_the_end_it_says_so(howdah: Howdah) -> None:
    howdah.ok("declare", "x")
    howdah.ok("resolve")
    found = said(howdah)
    assert found["next"] == "it is over: howdah postmortem inc-1"
    assert "told" not in found


@pytest.mark.parametrize("word", ["status", "show"])
def test_the_card_says_when_the_next_update_is_due(howdah: Howdah, word: str) -> None:
    howdah.ok("declare", "x", "--sev", "1", "--at", "-40m")
    args = () if word == "status" else ("inc-1",)
    assert "OVERDUE by 10 min" in howdah.ok(word, *args)
    howdah.ok("update", "we are on it", "--next", "45m")
    assert "in 4" in howdah.ok(word, *args)
