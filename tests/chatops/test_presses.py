"""A pressed button: what it means now, or what has happened since it was drawn, by whom and when."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from chatops import presses
from chatops.presses import Press, Pressed, Stale, meaning
from chatops.views import Button
from chatops.vocabulary import Places, Reply
from incidents import clock
from incidents.errors import BadInput, NotFound
from incidents.events import Actor, Event
from incidents.store import open_store
from incidents.store.protocol import Store
from tests.chatops.chat import Chat, ChatFront, chat
from tests.drafts import NOVA, ROBIN, declared, draft, note, run_started

NOON = clock.parse_iso("2022-12-13T14:05:10Z")
RUN = "run-abcdef"
DRIVER = Actor("system", "driver", on_behalf_of="robin")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with clock.freeze(NOON), open_store(str(tmp_path / "store.db")) as opened:
        opened.append([declared(), run_started(RUN)])
        yield opened


def asked(
    store: Store, what: str = "confirm", *, options: tuple[str, ...] = ("yes", "skip", "abort")
) -> Event:
    number = sum(event.kind == "question.asked" for event in store.events("inc-1")) + 1
    question = f"{RUN}:room/grow:{what}:{number}"
    data = {"question": question, "path": "room/grow", "what": what, "options": list(options), "shows": {}}
    return of_run(store, "question.asked", data, DRIVER)


def of_run(
    store: Store, kind: str, data: dict[str, Any] | None = None, actor: Actor = DRIVER, **about: Any
) -> Event:
    return store.append([draft(kind, data, run=RUN, actor=actor, **about)])[0]


def answered(store: Store, question: Event, word: str, actor: Actor = NOVA) -> Event:
    data = {"question": question.data["question"], "path": "room/grow", "answer": word}
    return of_run(store, "question.answered", data, actor, key=f"answer:{question.data['question']}")


def attempt(store: Store, n: int) -> Event:
    data = {"path": "room/grow", "name": "Grow", "n": n, "attempt": n, "effect": "unsafe"}
    return of_run(store, "step.started", data)


def ended(store: Store, n: int, status: str = "ok") -> Event:
    data = {"path": "room/grow", "name": "Grow", "n": n, "status": status}
    return of_run(store, "step.ended", data)


def stale(store: Store, seq: int, word: str) -> str:
    with pytest.raises(Stale) as caught:
        meaning(store, "inc-1", seq, word)
    assert (caught.value.code, caught.value.exit_code) == ("stale", 4)
    begin, _, said = caught.value.message.partition(": ")
    assert begin == "already moved on"
    return said


# -- custom_id -----------------------------------------------------------------------------------------------


def test_a_custom_id_says_what_the_button_is_about_and_is_read_back() -> None:
    button = Button("Confirm", "howdah confirm", incident="inc-1", seq=57, word="yes")
    assert presses.custom_id(button) == "hd:inc-1:57:yes"
    assert presses.parse("hd:inc-1:57:yes") == Pressed("inc-1", 57, "yes", False)
    form = button._replace(word="note", form=True)
    assert presses.custom_id(form) == "hd:inc-1:57:note+"
    assert presses.parse("hd:inc-1:57:note+") == Pressed("inc-1", 57, "note", True)
    largest = Button("x", "x", incident="inc-999999999999", seq=10**14, word="commander", form=True)
    assert len(presses.custom_id(largest)) <= 100


@pytest.mark.parametrize(
    "text",
    ["", "hd:", "hd:inc-1:57", "hd:inc-0:57:yes", "hd:inc-1:0:yes", "hd:inc-1:57:yes\n", "hd:inc-1:57:Yes", "inc-1:57:yes",
     "hd:inc-1:-57:yes", "hd:inc-1:٥:yes", "hd:oncall:1:yes", "hd:inc-1:57:yes++", "hd:inc-1:57:" + "y" * 100],
)  # fmt: skip
def test_other_custom_ids_are_not_ours(text: str) -> None:
    assert presses.parse(text) is None


def test_a_button_that_is_about_nothing_cannot_stand_in_a_chat() -> None:
    with pytest.raises(ValueError, match="no chat can carry"):
        presses.custom_id(Button("Confirm", "howdah confirm"))


# -- answers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("word", "command"), [("yes", "confirm"), ("skip", "skip")])
def test_an_answer_is_said_to_its_step_under_its_questions_own_key(
    store: Store, word: str, command: str
) -> None:
    question = asked(store)
    press = meaning(store, "inc-1", question.seq, word)
    assert press == Press(command, {"step": f"{RUN}/room/grow"}, f"answer:{question.data['question']}")


def test_a_retry_beside_a_living_attempt_is_a_word_of_its_own(store: Store) -> None:
    question = asked(store, "doubt", options=("retry", "done", "skip", "abort"))
    assert "beside" not in meaning(store, "inc-1", question.seq, "retry").raw
    assert meaning(store, "inc-1", question.seq, "beside").raw["beside"] is True


def test_a_question_is_answered_only_with_its_own_options(store: Store) -> None:
    question = asked(store)
    with pytest.raises(BadInput, match="asks for yes, skip, abort, not for beside"):
        meaning(store, "inc-1", question.seq, "beside")


def test_who_comes_second_reads_who_was_first_and_when(store: Store) -> None:
    question = asked(store)
    answered(store, question, "yes")
    assert stale(store, question.seq, "yes") == "nova answered yes at 14:05 UTC"
    assert stale(store, question.seq, "abort") == "nova answered yes at 14:05 UTC"


def test_the_day_is_said_where_it_is_not_today(store: Store) -> None:
    question = asked(store)
    answered(store, question, "retry-beside")
    with clock.freeze(NOON + clock.DAY):
        assert stale(store, question.seq, "yes") == "nova answered retry beside at Tue 13 Dec 14:05 UTC"


def test_a_question_of_a_step_that_asks_again_is_another_question(store: Store) -> None:
    first = asked(store)
    answered(store, first, "yes")
    second = asked(store, "doubt", options=("retry", "done"))
    assert stale(store, first.seq, "yes").startswith("nova answered")
    assert meaning(store, "inc-1", second.seq, "done").key == f"answer:{second.data['question']}"


def test_a_question_that_an_abort_made_moot_names_who_aborted(store: Store) -> None:
    question = asked(store)
    of_run(store, "run.request", {"what": "abort"}, NOVA)
    of_run(store, "question.void", {"question": question.data["question"]})
    assert stale(store, question.seq, "yes") == "nova asked for abort at 14:05 UTC"


def test_a_question_of_a_run_that_has_ended_says_how(store: Store) -> None:
    question = asked(store)
    of_run(store, "run.ended", {"status": "failed", "exit": 1})
    assert stale(store, question.seq, "yes") == f"{RUN} ended failed at 14:05 UTC"


def test_a_button_of_another_record_is_found_out(store: Store) -> None:
    with pytest.raises(NotFound, match="there is no inc-1 #99 here"):
        meaning(store, "inc-1", 99, "yes")
    with pytest.raises(NotFound):
        meaning(store, "inc-7", 1, "note")
    with pytest.raises(BadInput, match="'yes' cannot be said to inc-1 #1"):
        meaning(store, "inc-1", 1, "yes")
    with pytest.raises(BadInput):
        meaning(store, "inc-1", 2, "destroy")


# -- a run ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["pause", "abort", "resume"])
def test_a_run_that_progressed_by_steps_has_not_moved_on(store: Store, word: str) -> None:
    attempt(store, 1)
    ended(store, 1)
    store.append([note("the graph falls")])
    assert meaning(store, "inc-1", 2, word) == Press(word, {"run": RUN}, f"press:inc-1:2:{word}")


def test_a_run_that_changed_its_state_has_moved_on(store: Store) -> None:
    of_run(store, "run.request", {"what": "pause"}, NOVA)
    paused = of_run(store, "run.paused")
    assert stale(store, 2, "pause") == f"{RUN} is paused since 14:05 UTC; nova asked for pause at 14:05 UTC"
    assert meaning(store, "inc-1", paused.seq, "resume").command == "resume"
    resumed = of_run(store, "run.resumed", {"pid": 7})
    assert stale(store, paused.seq, "resume") == f"{RUN} goes on since 14:05 UTC"
    parked = of_run(store, "run.parked", {"questions": []})
    assert stale(store, resumed.seq, "pause") == f"{RUN} waits for a person since 14:05 UTC"
    of_run(store, "run.ended", {"status": "ok", "exit": 0})
    assert stale(store, parked.seq, "abort") == f"{RUN} ended ok at 14:05 UTC"


def test_a_run_that_an_answer_set_going_again_has_moved_on(store: Store) -> None:
    question = asked(store)
    parked = of_run(store, "run.parked", {"questions": [question.data["question"]]})
    given = answered(store, question, "yes")
    assert stale(store, parked.seq, "resume") == "nova answered yes at 14:05 UTC"
    attempt(store, 1)
    assert meaning(store, "inc-1", given.seq, "pause").key == f"press:inc-1:{given.seq}:pause"


def test_other_runs_of_the_incident_change_nothing(store: Store) -> None:
    store.append(
        [run_started("run-other2"), draft("run.ended", {"status": "ok", "exit": 0}, run="run-other2")]
    )
    assert meaning(store, "inc-1", 2, "pause").raw == {"run": RUN}


def test_stop_means_the_attempt_that_was_shown_and_no_later_one(store: Store) -> None:
    first = attempt(store, 1)
    assert meaning(store, "inc-1", first.seq, "stop") == Press(
        "stop", {"run": RUN}, f"press:inc-1:{first.seq}:stop"
    )
    ended(store, 1, "again")
    second = attempt(store, 2)
    assert stale(store, first.seq, "stop") == "Grow has ended: again at 14:05 UTC"
    assert meaning(store, "inc-1", second.seq, "stop").key == f"press:inc-1:{second.seq}:stop"


def test_what_was_asked_of_a_run_by_this_button_is_asked_once(store: Store) -> None:
    press = meaning(store, "inc-1", 2, "pause")
    of_run(store, "run.request", {"what": "pause"}, NOVA, key=press.key)
    assert stale(store, 2, "pause") == "nova asked for pause at 14:05 UTC"
    assert meaning(store, "inc-1", 2, "abort").command == "abort"


# -- the incident --------------------------------------------------------------------------------------------


def test_resolve_stands_on_the_state_that_the_card_showed(store: Store) -> None:
    assert meaning(store, "inc-1", 1, "resolve") == Press(
        "resolve", {"incident": "inc-1"}, "press:inc-1:1:resolve"
    )
    store.append([note(), draft("role.assigned", {"role": "commander", "person": "nova"})])
    assert meaning(store, "inc-1", 1, "resolve").command == "resolve"
    store.append([draft("incident.severity", {"severity": "sev1"}, actor=NOVA)])
    assert stale(store, 1, "resolve") == "inc-1: severity is sev1, by nova at 14:05 UTC"


def test_notes_and_command_are_never_stale_while_the_incident_is_open(store: Store) -> None:
    store.append([draft("incident.mitigated", milestone="mitigated")])
    assert meaning(store, "inc-1", 1, "note") == Press("note", {"incident": "inc-1"}, "")
    commander: dict[str, str | bool] = {"incident": "inc-1", "role": "commander", "person": "me"}
    assert meaning(store, "inc-1", 1, "commander") == Press("role", commander, "")
    store.append([draft("incident.resolved", actor=NOVA, milestone="resolved")])
    for word in ("note", "commander", "resolve"):
        assert stale(store, 1, word) == "inc-1 is resolved, by nova at 14:05 UTC"


def test_a_redacted_answer_still_says_who_and_when(store: Store) -> None:
    from incidents import timeline

    question = asked(store)
    given = answered(store, question, "yes")
    of_run(store, "run.ended", {"status": "ok", "exit": 0})
    timeline.redact(store, "inc-1", [given.seq], "a name", ROBIN)
    assert stale(store, question.seq, "yes") == "nova answered it at 14:05 UTC"


# -- carried out ---------------------------------------------------------------------------------------------

SLOW = """
name: slow
steps:
  - {id: ask, name: Grow the volume, confirm: Grow it?, run: [sleep, "0"]}
  - {id: hold, name: Hold on, manual: Look at the graphs}
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Chat]:
    with chat(str(tmp_path)) as one:
        yield one


def press(place: Chat, seq: int, word: str, by: str = "nova", **given: Any) -> Reply:
    places = Places(config=place.config, key="discord:1")
    pressed = Pressed("inc-1", seq, word)
    return presses.carry_out(pressed, ChatFront(by), places, store=place.store, by=by, given=given)


def text(reply: Reply) -> str:
    from chatops import views

    return views.plain(reply.view, 200) if reply.view is not None else ""


def waiting(place: Chat) -> tuple[str, Event]:
    """A run that asks whether it may grow the volume, and the question."""
    run = str(place.ok("run", runbook=place.runbook(SLOW, "slow")).document["run"])
    place.until_status(run, "parked")
    return run, place.events("inc-1", "question.asked")[-1]


def test_two_people_press_at_once_one_is_recorded_the_other_reads_who_was_first(place: Chat) -> None:
    run, question = waiting(place)
    with ThreadPoolExecutor(8) as pool:
        who = ["nova", "sol"] * 4
        replies = list(pool.map(lambda by: press(place, question.seq, "yes", by), who))
    (given,) = place.events("inc-1", "question.answered")
    first = given.actor.id
    for by, reply in zip(who, replies, strict=True):
        if by == first:
            assert reply.exit == 0, text(reply)
        else:
            assert reply.exit == 4
            assert f"{first} answered" in text(reply)
    fresh = [reply for reply in replies if "already" not in text(reply)]
    assert len(fresh) == 1, [text(reply) for reply in replies]
    again = press(place, question.seq, "yes", first)
    assert (again.exit, again.error) == (0, False)
    assert text(again).startswith(f"already recorded: {first} answered yes at ")
    assert press(place, question.seq, "skip", first).exit == 4, "another answer is not the same answer"
    place.until(lambda: place.run(run).step("ask").status == "ok", "the step")


def test_two_clicks_of_one_person_are_one_request_and_who_comes_second_reads_whose(place: Chat) -> None:
    run, _ = waiting(place)
    (started,) = place.events("inc-1", "run.started")
    parked = place.until(lambda: place.events("inc-1", "run.parked"), "parked")[-1]
    assert press(place, started.seq, "abort").document["error"]["code"] == "stale"  # type: ignore[index]
    with ThreadPoolExecutor(4) as pool:
        replies = list(
            pool.map(lambda by: press(place, parked.seq, "abort", by), ("nova", "sol", "nova", "sol"))
        )
    (asked_for,) = place.events("inc-1", "run.request")
    for by, reply in zip(("nova", "sol", "nova", "sol"), replies, strict=True):
        assert (reply.exit == 0) == (by == asked_for.actor.id), text(reply)
        if by != asked_for.actor.id:
            assert text(reply).startswith("already moved on: ")
    place.until_status(run, "ended")


def test_a_form_adds_what_it_asked_and_notes_are_as_many_as_were_sent(place: Chat) -> None:
    place.ok("declare", title="the disk is full")
    for key in ("discord:1", "discord:1", "discord:2"):
        places = Places(config=place.config, key=key)
        reply = presses.carry_out(
            Pressed("inc-1", 1, "note"), ChatFront(), places, store=place.store, by="nova", given={"text": "it grows"}
        )  # fmt: skip
        assert reply.exit == 0, text(reply)
    assert [event.body for event in place.events("inc-1", "note")] == ["it grows", "it grows"]
    assert press(place, 1, "resolve", text="cured").exit == 0
    assert "inc-1 is resolved, by nova at" in text(press(place, 1, "note", "sol", text="late"))


def test_a_person_without_the_role_is_refused_once_for_each_who_tried(place: Chat) -> None:
    place.people(
        "people: {nova: {roles: [commander]}, sol: {}, robin: {}}\npermissions: {resolve: [commander]}\n"
    )
    place.ok("declare", title="the disk is full")
    for by in ("sol", "robin", "sol"):
        reply = press(place, 1, "resolve", by, text="cured")
        assert (reply.exit, reply.document["error"]["code"]) == (4, "not_permitted"), text(reply)  # type: ignore[index]
    refused = [event.actor.id for event in place.store.events("system") if event.kind == "system.refused"]
    assert sorted(set(refused)) == ["robin", "sol"]
    assert press(place, 1, "resolve", "nova", text="cured").exit == 0
