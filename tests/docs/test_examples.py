"""The night of 13 December 2022, entered after the fact: the page in docs/examples is what the script there makes.

What the team's own report had is looked for here by itself, so that a page written anew still has all of it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
DIFFERS = [  # the day of writing, and what every record has of its own
    (r"### \w{3} \d\d? \w{3} 20(?!22)\d\d", "### DAY"),
    (r"\b20(?!22)\d\d-\d\d-\d\d \d\d:\d\d", "DAY"),
    (r"(?m)^(\| \d+ \| )\d\d:\d\d:\d\d ", r"\1TIME "),
    (r"\b[0-9a-f]{64}\b", "HASH"),
]


def same_for_all(text: str) -> str:
    for pattern, instead in DIFFERS:
        text = re.sub(pattern, instead, text)
    return text


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of the night, written by the script."""
    folder = tmp_path_factory.mktemp("night")
    howdah = os.path.join(os.path.dirname(sys.executable), "howdah")
    subprocess.run(
        [EXAMPLES / "2022-12-13.sh", folder], env={**os.environ, "HOWDAH": howdah}, check=True, timeout=100,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return (folder / "2022-12-13.md").read_text()


def test_the_page_of_the_night_is_what_its_script_makes(night: str) -> None:
    if os.environ.get("HOWDAH_TEST_WRITE"):
        (EXAMPLES / "2022-12-13.md").write_text(night)
    assert same_for_all(night) == same_for_all((EXAMPLES / "2022-12-13.md").read_text())


def test_the_figures_of_the_night_are_computed_from_its_times(night: str) -> None:
    """18:59 to 19:06 is the outage; 18:53 to 19:01 is what the monitors needed."""
    assert re.search(r"\| total outage.* \| ~7 min \| \d+ \|", night)
    assert "| until a monitor said so | started | alerted | ~8 min |" in night


@pytest.mark.parametrize(
    "fact",
    [
        "18:53 | nova | **started**", "18:55 | dma | **detected**", "18:56 | dma |", "18:56 | nova |", "18:57 | nova |",
        "18:58 | dma | update", "18:59 | nova | Redis", "MISCONF", "19:01 | nova | **alerted**", "HTTP 502",
        "19:02 | nova | the root filesystem", "19:04 | nova | PostgreSQL's archive", "400 GB", "19:05 | malte",
        "19:06 | malte_j | mitigated", "187 GB", "19:06 | dma | update", "19:07 | nova", "19:16 | nova | update",
        "stop-writes-on-bgsave-error", "people stood by", "less than 10 minutes", "less than 60", "who may update",
        "where does Redis live", "harden credentials", "architecture map", "when an announcement is resolved",
        "[x] 1: a cron job", "[x] 2: alert at 90 %", "[x] 3: a template", "[x] 4: write the postmortem",
        "No data was lost",
    ],
)  # fmt: skip
def test_the_page_has_what_the_teams_report_had(night: str, fact: str) -> None:
    assert fact in night
