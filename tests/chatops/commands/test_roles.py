"""Who does what."""

from __future__ import annotations

from tests.chatops.conftest import Howdah


def test_a_role_is_taken_shown_and_released(howdah: Howdah) -> None:
    howdah.ok("declare", "x")
    assert howdah.ok("role") == "nobody has a role in inc-1\n"
    assert howdah.ok("role", "Commander", "me") == "inc-1 #2  nova is commander\n"
    assert howdah.ok("role", "commander", "@malte") == (
        "inc-1 #3  malte is commander\ncommander is also nova: howdah role commander nova --release\n"
    )
    assert howdah.ok("role", "commander", "nova", "--release") == "inc-1 #4  nova is no longer commander\n"
    assert howdah.ok("role") == "role       who\ncommander  malte\n"
    assert howdah("role", "--json").json["roles"] == [{"role": "commander", "people": ["malte"]}]
    assert howdah.ok("role", "commander", "--release") == "inc-1 #5  malte is no longer commander\n"


def test_a_role_needs_somebody_and_one_word(howdah: Howdah) -> None:
    howdah.ok("declare", "x")
    assert howdah("role", "comms").err == "who is comms?; howdah role comms me\n"
    assert (
        howdah("role", "the boss", "me").err
        == "'the boss' is not a role; one word: commander, comms, scribe\n"
    )
    howdah.ok("role", "comms", "me")
    assert howdah("role", "comms", "me").code == 4


def test_a_person_is_looked_up_where_people_are_configured(howdah: Howdah) -> None:
    (howdah.folder / "work" / "howdah.yaml").write_text(
        "people:\n  malte: {unix: mk}\n  nova: {unix: nova}\n"
    )
    howdah.ok("declare", "x")
    assert howdah.ok("role", "comms", "mk").startswith("inc-1 #2  malte is comms")
    answer = howdah("role", "scribe", "malt")
    assert (answer.code, answer.err) == (2, "there is no person 'malt'; did you mean malte?\n")
    answer = howdah("role", "scribe", "visitor")
    assert answer.code == 0
    assert answer.err == f"note: visitor is not in people: of {howdah.folder}/work/howdah.yaml\n"
