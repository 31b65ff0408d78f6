"""Which faults there are, and which one is drilled where nobody says."""

from __future__ import annotations

import pytest

from incidents.errors import Failed
from runbooks.drills import databases, harness
from tests.chatops.conftest import Howdah


@pytest.mark.parametrize(("there", "usual"), [(True, "wal-archive"), (False, "deleted-open")])
def test_a_question_mark_names_every_fault_and_the_usual_one(
    howdah: Howdah, monkeypatch: pytest.MonkeyPatch, there: bool, usual: str
) -> None:
    def programs() -> dict[str, str]:
        if there:
            return {}
        raise Failed("redis-server not found")

    monkeypatch.setattr(databases, "programs", programs)
    answer = howdah("drill", "disk-full", "--fault", "?")
    assert answer.code == 0
    assert f"Without --fault it is {usual} on this machine." in answer.out
    for name in harness.names():
        assert name in answer.out
    listed = howdah("drill", "disk-full", "--fault", "?", "--json").json["faults"]
    assert [one["name"] for one in listed] == list(harness.names())
    assert [one["name"] for one in listed if one["usual"]] == [usual]


def test_a_fault_that_there_is_not_is_refused_before_anything_is_built(howdah: Howdah) -> None:
    answer = howdah("drill", "disk-full", "--fault", "flood")
    assert answer.code == 2
    assert (
        "'flood' is not a fault; it is one of deleted-open, inodes, reserved, runaway or wal-archive"
        in answer.err
    )
