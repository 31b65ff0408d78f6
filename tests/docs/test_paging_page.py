"""docs/paging.md says what the code does: its file is one, its numbers are those of the code."""

from __future__ import annotations

from pathlib import Path

from incidents import clock, config
from incidents.escalation import contacts, due, policy
from tests.docs import pages

PAGE = "docs/paging.md"
TEXT = (pages.ROOT / PAGE).read_text()


def test_the_configuration_of_the_page_is_one(tmp_path: Path) -> None:
    (block,) = pages.blocks(PAGE, "yaml")
    file = tmp_path / "howdah.yaml"
    file.write_text(block.text)
    found = config.load(str(file))
    assert [step.what for step in found.escalation["infra"].steps] == ["schedule", "person", "role"]
    assert found.paging is not None
    assert [one.message.split(":")[0] for one in found.doubts] == ["mail"]


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    assert policy.WAIT == 5 * clock.MINUTE and "`wait`, 5m where nothing is said" in TEXT
    assert (policy.SHORTEST, policy.LONGEST) == (clock.SECOND, clock.DAY) and "from 1s to 1d" in TEXT
    assert policy.MOST_REPEATS == 5 and "0 to 5" in TEXT
    assert due.CHAT_WAIT == 30 * clock.SECOND and "30 s for a mention" in TEXT
    assert contacts.TIMEOUT == 20 * clock.SECOND and "timeout: 20s" in TEXT
    alone = policy.alone("person", "nova")
    assert (alone.steps[0].wait, alone.repeat) == (5 * clock.MINUTE, 2)
    assert "paged three times, five minutes apart" in TEXT
