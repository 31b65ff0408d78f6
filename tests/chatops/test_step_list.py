"""A run's steps in few lines: nothing that matters is left out."""

from __future__ import annotations

from chatops import step_list
from runbooks import listing


def rows(*statuses: str) -> list[listing.Row]:
    made = []
    for i, status in enumerate(statuses):
        word, tone = listing.STATUSES.get(status, ("asks", "warn"))
        mark = "?" if status == "asks" else listing.MARKS[tone]
        made.append(listing.Row(f"s{i}", 0, f"Step {i}", status, word, mark, tone, "", ""))
    return made


def test_of_a_long_list_what_runs_and_what_went_wrong_stays_with_what_is_around_it() -> None:
    lines = step_list.lines(rows(*["ok"] * 10, "continued", *["ok"] * 10, "running", *["pending"] * 20))
    assert lines == [
        "… 10 steps: 10 ok", "! Step 10  failed (continued)", "… 8 steps: 8 ok", "✓ Step 19", "✓ Step 20",
        "▸ Step 21  running", "· Step 22", "· Step 23", "· Step 24", "… 17 steps: 17 to come",
    ]  # fmt: skip


def test_what_asks_is_never_cut_however_much_went_wrong() -> None:
    lines = step_list.lines(rows(*["failed"] * 300, "asks", *["failed"] * 300, "running"))
    assert "? Step 300  asks" in lines
    assert "▸ Step 601  running" in lines
    assert len(lines) <= 2 * step_list.MOST + 1
