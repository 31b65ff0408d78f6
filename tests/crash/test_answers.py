"""Who answers too late reads who was first (exit 4)."""

from __future__ import annotations

from pathlib import Path

import pytest

from incidents.errors import AlreadyAnswered, NotFound
from incidents.store import open_store
from runbooks import consent
from tests.crash.harness import bench

BOOK = "name: ask\nsteps:\n  - {id: grow, confirm: really?, timeout: 5s, run: 'true'}\n"


@pytest.mark.parametrize("address", [None, "grow", "run"])
def test_also_after_the_run_has_ended(tmp_path: Path, address: str | None) -> None:
    with bench(str(tmp_path), BOOK) as run:
        assert run.start() == 3
        run.answer("yes")
        assert run.resume() == 0
        named = f"{run.run}/grow" if address == "run" else address
        with (
            open_store(run.store) as store,
            pytest.raises(AlreadyAnswered, match="nova answered 'yes' before you"),
        ):
            consent.find(store, named, "yes")


def test_where_nothing_was_ever_asked_that_is_said(tmp_path: Path) -> None:
    with bench(str(tmp_path), BOOK.replace("confirm: really?, ", "")) as run:
        assert run.start() == 0
        with open_store(run.store) as store, pytest.raises(NotFound, match="no question is open"):
            consent.find(store, None, "yes")
