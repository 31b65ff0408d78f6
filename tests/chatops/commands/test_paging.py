"""page, ack, escalate from the terminal: what is meant, who was first, and what each mistake is answered with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chatops import timers
from incidents import clock
from tests.chatops.conftest import Howdah, howdah

__all__ = ["howdah"]

CREW = """\
people:
  hazel: {unix: hazel, contacts: {phone: "+49 30 1"}}
  nova: {unix: nova}
schedules:
  infra: {layers: [{id: all, users: [hazel]}]}
  backup: {layers: [{id: all, users: [nova]}]}
escalation:
  infra: {steps: [{schedule: infra}, {person: nova}], repeat: 1}
"""


@pytest.fixture
def crew(howdah: Howdah) -> Iterator[Howdah]:
    """Three people, one policy, and somebody who serves elsewhere."""
    (howdah.folder / "work" / "howdah.yaml").write_text(CREW)
    howdah.ok("list")
    serves = timers.Lock(str(howdah.store))
    assert serves.take()
    yield howdah
    serves.close()


def go_out(crew: Howdah) -> None:
    """Whoever serves does what is due."""
    from chatops import paging
    from incidents import config, open_store

    assert crew.at is not None
    with clock.freeze(crew.at), open_store(str(crew.store)) as store:
        loaded = config.load(str(crew.folder / "work" / "howdah.yaml"))
        pager = paging.Pager(store, lambda: loaded, send=lambda *_: "", begin=lambda run: run())
        while pager.look():
            pass


def test_a_page_needs_an_open_incident_and_says_how_to_have_one(crew: Howdah) -> None:
    answer = crew("page", "infra")
    assert (answer.code, answer.err) == (2, "no incident is open; howdah declare TITLE opens one\n")


def test_a_name_is_a_policy_else_a_person_else_a_schedule(crew: Howdah) -> None:
    crew.ok("declare", "x")
    assert crew.ok("page", "infra", "-m", "come") == "inc-1 #2  pages infra: come\nnext: howdah ack inc-1#2\n"
    crew.ok("page", "hazel")
    crew.ok("page", "me")
    crew.ok("page", "backup")
    go_out(crew)
    targets = [(one["target"], one["people"]) for one in crew("page", "list", "--json").json["pages"]]
    assert targets == [
        ("infra", ["hazel"]), ("hazel", ["hazel"]), ("nova", ["nova"]), ("backup", ["nova"]),
    ]  # fmt: skip


@pytest.mark.parametrize(("word", "hint"), [
    ("hazle", "did you mean hazel?"), ("zzz", "escalation:, people: and schedules: of howdah.yaml name them"),
])  # fmt: skip
def test_a_name_that_is_nobodys_is_answered_with_the_nearest(crew: Howdah, word: str, hint: str) -> None:
    crew.ok("declare", "x")
    answer = crew("page", word)
    assert (answer.code, answer.err) == (2, f"there is no policy, person or schedule {word!r}; {hint}\n")


def test_nobody_is_paged_and_nothing_to_acknowledge(crew: Howdah) -> None:
    crew.ok("declare", "x")
    for words in (["ack"], ["escalate"], ["ack", "inc-1"]):
        answer = crew(*words)
        assert (answer.code, answer.err) == (2, "nobody is being paged; howdah page NAME pages somebody\n")
    assert crew.ok("page") == "nobody is being paged\n"
    assert crew("ack", "inc-1#7").err == "there is no page inc-1#7; howdah page list shows them\n"
    assert (
        crew("ack", "inc-1#x").err
        == "'inc-1#x' is not a page; write inc-7#12, or inc-7 for all of that incident\n"
    )


def test_of_two_who_acknowledge_the_second_reads_who_was_first(crew: Howdah) -> None:
    crew.ok("declare", "x")
    crew.ok("page", "infra")
    assert crew.ok("ack", by="hazel") == "inc-1 #3  page #2 acknowledged\n"
    second = crew("ack", by="nova")
    assert (second.code, second.err) == (4, "hazel acknowledged inc-1#2 at 2022-12-13T18:53Z\n")
    (told,) = [line for line in crew.ok("timeline").splitlines() if "page #2 acknowledged" in line]
    assert told.endswith("page #2 acknowledged")  # and not once more as a milestone
    assert "(recorded before)" in crew.ok("ack", by="hazel")
    assert "hazel has it" in crew.ok("page", "list")


def test_a_word_without_a_page_takes_all_of_the_one_incident_that_has_any(crew: Howdah) -> None:
    crew.ok("declare", "x")
    crew.ok("page", "infra")
    crew.ok("page", "nova")
    assert crew.ok("ack") == "inc-1 #4  page #2 acknowledged\ninc-1 #5  page #3 acknowledged\n"


def test_with_several_incidents_it_is_the_page_that_meant_who_asks_else_one_must_be_named(
    crew: Howdah,
) -> None:
    for number, name in ((1, "hazel"), (2, "nova")):
        crew.ok("declare", name)
        crew.ok("page", name, "--incident", f"inc-{number}")
    answer = crew("ack", by="malte")
    assert (
        answer.err == "several incidents page somebody: inc-1#2 (hazel), inc-2#2 (nova); name one: inc-1#2\n"
    )
    go_out(crew)
    assert crew.ok("ack", by="nova").startswith("inc-2 #")
    assert crew.ok("ack", "inc-1#2", by="malte").startswith("inc-1 #")


def test_escalate_is_the_next_step_at_once_once_and_not_beyond_the_last(crew: Howdah) -> None:
    crew.ok("declare", "x")
    crew.ok("page", "infra")
    assert "has only begun" in crew("escalate").err
    for _ in range(3):
        go_out(crew)
        assert crew.ok("escalate").endswith("page #2 goes to the next step now\n")
        assert "recorded before" in crew.ok("escalate")
    go_out(crew)
    assert crew("escalate").err == "inc-1#2 is at its last step; howdah page NAME pages somebody else\n"
    assert "step 2 of 2, pass 2" in crew.ok("page", "list")


def test_what_is_over_cannot_be_taken(crew: Howdah) -> None:
    crew.ok("declare", "x")
    crew.ok("page", "infra")
    crew.ok("resolve")
    assert crew("ack", "inc-1").err == "inc-1#2 is over: resolved; howdah page NAME pages again\n"
    assert crew("page", "infra", "--incident", "inc-1").code == 4


def test_a_drill_must_be_declared_so_and_only_a_drill_can_be(crew: Howdah) -> None:
    assert (
        crew("declare", "x", "--page-real").err
        == "--page-real is for drills; other incidents page as it is\n"
    )
    crew.ok("declare", "x", "--drill")
    refused = crew("page", "infra", "--incident", "inc-1")
    assert (
        refused.err
        == "inc-1 is a drill, so it wakes nobody; howdah declare --drill --page-real opens one that may\n"
    )
    crew.ok("declare", "x", "--drill", "--page-real")
    crew.ok("page", "infra", "--incident", "inc-2")
    crew.ok("declare", "x", "--retrospective")
    assert crew("page", "infra", "--incident", "inc-3").code == 4


def test_who_has_no_channel_is_said_with_what_to_do(crew: Howdah) -> None:
    crew.ok("declare", "x")
    crew.ok("page", "hazel")
    go_out(crew)
    assert "page #2 does not reach hazel: there is no channel to page them by; call +49 30 1" in crew.ok(
        "timeline"
    )


def test_the_doctor_says_whether_anybody_would_be_woken_and_makes_no_file(howdah: Howdah) -> None:
    (howdah.folder / "work" / "howdah.yaml").write_text(CREW)
    howdah.ok("list")
    said = howdah("doctor").out
    assert "no process sends what is due" in said
    assert "nothing reaches nova" in said
    assert not (howdah.folder / "store.db.timers").exists()
    serves = timers.Lock(str(howdah.store))
    assert serves.take()
    assert "howdah serve sends what is due" in howdah("doctor").out
    serves.close()


# -- a configuration with mistakes -----------------------------------------------------------------------------------


def test_a_page_is_listed_escalated_and_stopped_by_the_last_good_version_while_the_file_has_mistakes(
    crew: Howdah,
) -> None:
    crew.ok("declare", "db down")
    crew.ok("page", "infra")
    go_out(crew)
    (crew.folder / "work" / "howdah.yaml").write_text(CREW + "x: [\n")
    for words in (["page", "list"], ["page"], ["escalate"], ["page", "nova"], ["ack"]):
        answer = crew(*words)
        assert answer.code == 0, answer
        assert "howdah.yaml:" in answer.err and "goes by the version of" in answer.err
    assert crew("sev", "2").code == 2
    states = [page["state"] for page in crew("page", "list", "--json").json["pages"]]
    assert states == ["acknowledged", "acknowledged"]


def test_an_incident_is_declared_written_down_and_read_by_the_last_good_version_too(crew: Howdah) -> None:
    crew.ok("declare", "db down")
    (crew.folder / "work" / "howdah.yaml").write_text(CREW + "x: [\n")
    for words in (
        ["note", "still up"],
        ["declare", "the web too"],
        ["list"],
        ["show", "1"],
        ["timeline", "1"],
    ):
        answer = crew(*words)
        assert answer.code == 0 and "goes by the version of" in answer.err, answer
    assert "still up" in crew("timeline", "1").out


def test_what_went_by_an_old_version_is_not_recorded_as_a_new_one(crew: Howdah) -> None:
    crew.ok("declare", "db down")
    crew.ok("page", "infra")
    before = crew("timeline", "--json").json
    assert before
    (crew.folder / "work" / "howdah.yaml").write_text(CREW + "permissions: {respnd: [nova]}\n")
    assert "respnd" in crew("ack").err
    from incidents import open_store

    with open_store(str(crew.store)) as store:
        assert len([event for event in store.events("system") if event.kind == "config.seen"]) == 1


def test_without_a_good_version_the_mistakes_are_the_answer(howdah: Howdah) -> None:
    (howdah.folder / "work" / "howdah.yaml").write_text("x: [\n")
    answer = howdah("page", "list")
    assert answer.code == 2 and "howdah.yaml:" in answer.err
