"""Names of runs."""

from __future__ import annotations

from incidents import ids


def test_a_key_always_stands_for_the_same_run_and_another_key_for_another() -> None:
    assert ids.run_name_of("discord:1234567890") == ids.run_name_of("discord:1234567890") == "run-8avrxjrgdg"
    names = {ids.run_name_of(f"discord:{number}") for number in range(20_000)}
    assert len(names) == 20_000


def test_names_of_runs_cannot_be_misread() -> None:
    for name in (ids.run_name(), ids.run_name_of("any key \udcff")):
        word, dash, letters = name.partition("-")
        assert (word, dash) == ("run", "-")
        assert not set(letters) & set("01oilu")
