"""`howdah triage` with the runbooks of all three disasters side by side: in each fault it names the right one, and neither of
the others because of this fault. The faults of nfs-stall are looked at on their own client, in test_nfs_stall.py."""

from __future__ import annotations

from typing import Any

import pytest

from runbooks.drills import harness

from . import test_queue_backlog as queues
from .conftest import Place
from .test_played import howdah

DISASTERS = {"disk-full", "nfs-stall", "queue-backlog"}
room = queues.room


def named(found: dict[str, Any], runbook: str, here: dict[str, str]) -> None:
    """`runbook` fits, with these inputs. Of the other two nothing fits that has to do with this lab: other tests may
    have theirs on this machine, a full disk for one."""
    looked = {one["runbook"] for kind in ("fits", "healthy", "unknown") for one in found[kind]}
    assert looked >= DISASTERS and found["silent"] == [] and found["broken"] == [], found
    fits = [one for one in found["fits"] if here.items() <= one["inputs"].items()]
    assert [one["runbook"] for one in fits] == [runbook], found["fits"]
    assert "nfs-stall" not in {one["runbook"] for one in found["fits"]}, found["fits"]


@pytest.mark.lab
@pytest.mark.usefixtures("databases")
@pytest.mark.parametrize(
    "fault",
    ["deleted-open", *(pytest.param(n, marks=pytest.mark.soak) for n in harness.names() if n != "deleted-open")],
)  # fmt: skip
def test_a_full_disk_is_named_and_neither_of_the_other_two(place: Place, fault: str) -> None:
    def look(lab: Any) -> int:
        lab.seen()
        named(howdah(place, "triage"), "disk-full", {"mount": lab.mount})
        return 0

    found = harness.drill(fault, look, folder=place.folder, ledgers=place.ledgers)
    assert not found.score.cured and found.left == ()


@pytest.mark.lab
@pytest.mark.soak
@pytest.mark.parametrize("fault", harness.names("queue-backlog"))
def test_a_backlog_is_named_and_neither_of_the_other_two(room: Place, fault: str) -> None:
    def look(lab: Any) -> None:
        found = queues.howdah(room, "triage")
        named(found, "queue-backlog", {"port": str(lab.port)})
        full = [one for one in found["fits"] if one["runbook"] == "disk-full"]
        assert all(not one["inputs"].get("mount", "").startswith(room.folder) for one in full)

    assert not queues.drill(room, fault, look, jobs=queues.MANY).cured
