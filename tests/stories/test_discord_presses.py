"""Buttons in Discord: each does what it says, once, whoever presses it and however late; a stale one says what has happened."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from incidents.events import Event
from incidents.store import open_store
from tests.chat.discord.person import Person
from tests.chat.discord.server import Discord
from tests.stories.bot import JSON, Bot, labels, served
from tests.stories.scene import Scene, until

ASKS = """\
name: asks
steps:
  - {id: first, name: First, confirm: Go?, timeout: 20s, run: "echo first >> 'ACTS'"}
  - {id: second, name: Second, confirm: And on?, timeout: 20s, run: "echo second >> 'ACTS'"}
  - {id: third, name: Third, manual: Look at it.}
"""
LONG = """\
name: long
steps:
  - {id: act, name: Act, timeout: 40s, run: "echo begun >> 'ACTS'; while ! test -e gate; do sleep 0.1; done; echo ended >> 'ACTS'"}
  - {id: next, name: Next, timeout: 20s, run: "echo next >> 'ACTS'"}
"""
DIES = """\
name: dies
steps:
  - {id: act, name: Act, timeout: 20s, run: "echo tried >> 'ACTS'; test $HOWDAH_ATTEMPT = 2 || kill -9 $$"}
"""
MEASURES = """\
name: measures
steps:
  - {id: act, name: Act, timeout: 20s, run: "kill -9 $$", outputs: {size: {regex: '(\\d+)', type: bytes}, note: {regex: '(x)'}}}
  - {id: uses, timeout: 20s, run: ["sh", "-c", "echo $1 >> 'ACTS'", "x", "${{ steps.act.outputs.size }}"]}
"""
CHILD = """\
name: child
steps:
  - id: act
    name: Act
    timeout: 20s
    run: "test $HOWDAH_ATTEMPT = 1 || exit 0; sleep 38 & echo $! >> 'ACTS'; kill -9 $$"
"""
BOOKS = {"asks": ASKS, "long": LONG, "dies": DIES, "measures": MEASURES, "child": CHILD}


@pytest.fixture
def bot(scene: Scene) -> Iterator[Bot]:
    os.mkdir(os.path.join(scene.folder, "runbooks"))
    scene.runbook("people: {}\n", "howdah.yaml")
    for name, text in BOOKS.items():
        scene.runbook(text, f"runbooks/{name}.yaml")
    with served(scene) as (bot, discord):
        yield bot
        assert discord.wrong == []


@pytest.fixture
def discord(bot: Bot) -> Discord:
    return bot.discord


@pytest.fixture
def nova(discord: Discord) -> Person:
    return discord.person("nova")


@pytest.fixture
def malte(discord: Discord) -> Person:
    return discord.person("malte")


def stream(place: Scene, name: str = "inc-1") -> list[Event]:
    with open_store(place.store) as store:
        return list(store.events(name))


def kinds(place: Scene, name: str = "inc-1") -> list[str]:
    return [event.kind for event in stream(place, name)]


def by_people(place: Scene) -> list[tuple[str, str]]:
    """(kind, who) of what people did, without what the run did by itself."""
    return [(one.kind, one.actor.shown) for one in stream(place) if one.actor.type == "human"]


def started(person: Person, bot: Bot, book: str, button: str) -> JSON:
    """A run that the person starts; its message, once it has the button."""
    answer = person.slash("run start", runbook=book).wait()
    assert "has begun" in answer.text, answer.text
    return bot.run_message(bot.scene.run(), button=button)


def press(person: Person, message: JSON, label: str) -> str:
    """What the person alone reads."""
    answer = person.click(message, label).wait()
    assert answer.ephemeral and not answer.failed
    return answer.text


def open_gate(place: Scene) -> None:
    with open(os.path.join(place.folder, "gate"), "w"):
        pass


# -- every button does what it says


def test_confirm_skip_and_done_carry_a_run_through(scene: Scene, bot: Bot, nova: Person) -> None:
    message = started(nova, bot, "asks", "Confirm")
    assert "First" not in "".join(scene.acts())
    assert "first: confirmed" in press(nova, message, "Confirm")
    scene.wait_for("question.asked", path="second")
    message = until(lambda: asks(bot, "second"), "the second question")
    assert "second: skipped" in press(nova, message, "Skip")
    message = bot.run_message(scene.run(), button="Done")
    assert "third: done" in press(nova, message, "Done")
    assert scene.wait_for("run.ended").data["status"] == "ok"
    assert scene.acts() == ["first"]
    until(lambda: not labels(bot.run_message(scene.run())), "a message without buttons")


def asks(bot: Bot, path: str) -> JSON | None:
    """The run's message, once it asks about this step."""
    asked = [
        one.seq for one in stream(bot.scene) if one.kind == "question.asked" and one.data["path"] == path
    ]
    message = bot.run_message(bot.scene.run())
    return message if asked and f":{asked[-1]}:" in str(message["components"]) else None


def test_abort_ends_a_run_that_asks(scene: Scene, bot: Bot, nova: Person, malte: Person) -> None:
    message = started(nova, bot, "asks", "Confirm")
    assert "is being aborted" in press(malte, message, "Abort")
    assert scene.wait_for("run.ended").data["status"] == "aborted"
    assert scene.acts() == []
    assert "already moved on" in (said := press(nova, message, "Confirm")) and "@malte" in said
    assert by_people(scene)[-1] == ("run.request", "@malte")


def test_pause_and_resume_stop_a_run_between_two_steps(scene: Scene, bot: Bot, nova: Person) -> None:
    message = started(nova, bot, "long", "Pause")
    assert "pauses after its present step" in press(nova, message, "Pause")
    open_gate(scene)
    scene.wait_for("run.paused")
    message = bot.run_message(scene.run(), button="Resume")
    assert scene.acts() == ["begun", "ended"]
    until(lambda: not scene.drives(), "the end of its driver")
    assert "goes on" in press(nova, message, "Resume")
    assert scene.wait_for("run.ended").data["status"] == "ok"
    assert scene.acts() == ["begun", "ended", "next"]


def test_stop_ends_the_step_that_sleeps_and_the_doubt_is_answered(
    scene: Scene, bot: Bot, nova: Person
) -> None:
    message = started(nova, bot, "long", "Stop")
    scene.wait_for_act("begun")
    assert "act is being stopped" in press(nova, message, "Stop")
    message = bot.run_message(scene.run(), button="Retry")
    assert scene.status("act") == "in_doubt"
    assert {"Retry", "Done", "Skip", "Abort"} <= set(labels(message))
    open_gate(scene)
    assert "act: it runs again" in press(nova, message, "Retry")
    assert scene.wait_for("run.ended").data["status"] == "ok"
    assert scene.acts() == ["begun", "begun", "ended", "next"]


def test_a_step_that_was_killed_is_in_doubt_and_is_retried_or_vouched_for(
    scene: Scene, bot: Bot, nova: Person, malte: Person
) -> None:
    nova.slash("inc declare", title="it dies").wait()
    message = started(nova, bot, "dies", "Retry")
    assert "killed by signal 9" in str(message["embeds"])
    assert "it runs again" in press(malte, message, "Retry")
    assert scene.wait_for("run.ended").data["status"] == "ok"
    message = started(nova, bot, "dies", "Done")
    assert "act: done" in press(malte, message, "Done")
    assert scene.wait_for("run.ended").data["status"] == "ok"
    assert scene.acts() == ["tried"] * 3
    answers = [one for one in scene.events() if one.kind == "question.answered"]
    assert [(one.data["answer"], one.actor.shown) for one in answers] == [("done", "@malte")]


def test_done_asks_for_the_outputs_and_a_wrong_one_is_asked_again(
    scene: Scene, bot: Bot, nova: Person
) -> None:
    message = started(nova, bot, "measures", "Done")
    form = nova.click(message, "Done").wait()
    assert form.modal is not None
    wrong = nova.submit(form, {"size": "much", "note": "as I saw it"}).wait()
    assert wrong.ephemeral and "much" in wrong.text
    assert scene.status("act") == "in_doubt"
    again = nova.click(wrong, "Try again").wait()
    assert again.modal is not None
    typed = {one["label"]: one["component"].get("value") for one in again.modal["components"]}
    assert typed == {"size": "much", "note": "as I saw it"}
    assert "act: done" in nova.submit(again, {"size": "2KiB"}).wait().text
    assert scene.wait_for("run.ended").data["status"] == "ok"
    assert scene.acts() == ["2048"]
    answer = scene.wait_for("question.answered")
    assert answer.data["outputs"] == {"size": 2048, "note": "as I saw it"}


def test_a_retry_beside_what_still_runs_is_a_button_of_its_own(scene: Scene, bot: Bot, nova: Person) -> None:
    message = started(nova, bot, "child", "Retry beside")
    assert "Retry" not in labels(message)
    assert "it runs again" in press(nova, message, "Retry beside")
    assert scene.wait_for("run.ended").data["status"] == "ok"
    assert scene.wait_for("question.answered").data["answer"] == "retry-beside"


IMPATIENT = """\
import runbooks.document
runbooks.document.OVERDUE_AFTER = 300_000  # microseconds
"""
UNBOUND = """\
name: unbound
steps:
  - {id: act, name: Act, run: "while ! test -e gate; do sleep 0.1; done; echo ended >> 'ACTS'"}
"""


def test_a_step_without_a_bound_is_waited_for(scene: Scene, bot: Bot, nova: Person) -> None:
    bot.stop()
    scene.runbook(IMPATIENT, "sitecustomize.py")
    scene.runbook(UNBOUND, "runbooks/unbound.yaml")
    bot.start(PYTHONPATH=scene.folder)
    message = started(nova, bot, "unbound", "Wait")
    assert "act: it goes on" in press(nova, message, "Wait")
    open_gate(scene)
    assert scene.wait_for("run.ended").data["status"] == "ok"
    assert scene.acts() == ["ended"]


def test_the_card_takes_notes_gives_command_and_resolves(
    scene: Scene, bot: Bot, nova: Person, malte: Person
) -> None:
    nova.slash("inc declare", title="the disk is full").wait()
    card = bot.card()
    assert "Take command" in labels(card)
    assert "commander" in press(malte, card, "Take command")
    form = nova.click(card, "Note").wait()
    assert nova.submit(form, {"Text": "web is slow\nsince noon"}).wait().ephemeral
    until(lambda: "malte" in str(bot.card()["embeds"]), "the commander on the card")
    form = malte.click(bot.card(), "Resolve").wait()
    assert "inc-1" in malte.submit(form, {"Text": "space again"}).wait().text
    until(lambda: not labels(bot.card()), "a card without buttons")
    said = [(one.kind, one.actor.shown, one.body) for one in stream(scene)]
    assert said == [
        ("incident.declared", "@nova", ""),
        ("role.assigned", "@malte", ""),
        ("note", "@nova", "web is slow\nsince noon"),
        ("incident.resolved", "@malte", "space again"),
    ]


# -- one press, one event


def test_a_double_click_is_one_event_and_no_error(
    scene: Scene, bot: Bot, discord: Discord, nova: Person
) -> None:
    message = started(nova, bot, "long", "Pause")
    card = bot.card()

    def twice(what: JSON, label: str, kind: str) -> None:
        clicks = [nova.click(what, label), nova.click(what, label)]
        texts = [click.wait().text for click in clicks]
        assert [click.ephemeral for click in clicks] == [True, True]
        assert not any("moved on" in text or "fault" in text for text in texts), texts
        assert kinds(scene).count(kind) == 1, (label, texts)

    twice(message, "Pause", "run.request")
    twice(card, "Take command", "role.assigned")
    open_gate(scene)
    message = bot.run_message(scene.run(), button="Resume")
    until(lambda: not scene.drives(), "the end of its driver")
    clicks = [nova.click(message, "Resume"), nova.click(message, "Resume")]
    assert all(click.wait().ephemeral for click in clicks)
    scene.wait_for("run.ended")
    assert kinds(scene).count("run.resumed") == 1
    assert scene.acts() == ["begun", "ended", "next"]


def test_of_two_people_at_once_one_is_recorded_and_the_other_reads_who(
    scene: Scene, bot: Bot, nova: Person, malte: Person
) -> None:
    message = started(nova, bot, "asks", "Confirm")
    clicks = {"nova": nova.click(message, "Skip"), "malte": malte.click(message, "Confirm")}
    texts = {name: click.wait().text for name, click in clicks.items()}
    answer = scene.wait_for("question.answered", path="first")
    first = answer.actor.shown.removeprefix("@")
    other = texts["malte" if first == "nova" else "nova"]
    assert f"already moved on: @{first} answered" in other, texts
    message = until(lambda: asks(bot, "second"), "the second question")
    clicks = {"nova": nova.click(message, "Abort"), "malte": malte.click(message, "Abort")}
    texts = {name: click.wait().text for name, click in clicks.items()}
    scene.wait_for("run.ended")
    (asked,) = [one for one in scene.events() if one.kind == "run.request"]
    first = asked.actor.shown.removeprefix("@")
    assert f"@{first} asked for abort" in texts["malte" if first == "nova" else "nova"], texts


def test_who_confirms_what_another_aborts_reads_of_it(
    scene: Scene, bot: Bot, nova: Person, malte: Person
) -> None:
    message = started(nova, bot, "asks", "Confirm")
    clicks = [nova.click(message, "Abort"), malte.click(message, "Confirm")]
    abort, confirm = (click.wait().text for click in clicks)
    assert scene.wait_for("run.ended").data["status"] == "aborted"
    answered = "question.answered" in kinds(scene)
    assert "@malte answered yes" in abort or "is being aborted" in abort
    assert answered or "@nova asked for abort at" in confirm, (abort, confirm)  # who was first is recorded


def test_one_click_that_is_delivered_twice_at_once_is_answered_once(
    scene: Scene, bot: Bot, discord: Discord, nova: Person
) -> None:
    message = started(nova, bot, "asks", "Confirm")
    before = len(discord.requests)
    click = nova.click(message, "Confirm")
    discord.deliver_again(click)
    assert "confirmed" in click.wait().text
    until(lambda: asks(bot, "second"), "the second question")
    token = click.interaction.token
    answers = [(one.method, one.status) for one in discord.requests[before:] if token in one.path]
    assert answers == [("POST", 200), ("PATCH", 200)]
    assert scene.acts() == ["first"]
    assert kinds(scene).count("question.answered") == 1


# -- too late


def late(scene: Scene, person: Person, message: JSON, label: str) -> str:
    """What a stale button says; it records nothing."""
    before = kinds(scene)
    said = press(person, message, label)
    assert "already moved on" in said
    assert kinds(scene) == before
    return said


def test_a_button_of_a_run_that_has_ended_says_how_it_ended(
    scene: Scene, bot: Bot, nova: Person, malte: Person
) -> None:
    running = started(nova, bot, "long", "Stop")
    scene.wait_for_act("begun")
    open_gate(scene)
    scene.wait_for("run.ended")
    assert "Act has ended: ok" in late(scene, malte, running, "Stop")
    for label in ("Pause", "Abort"):
        assert f"{scene.run()} ended ok" in late(scene, malte, running, label)


def test_a_button_of_an_earlier_question_means_that_question_alone(
    scene: Scene, bot: Bot, nova: Person, malte: Person
) -> None:
    older = started(nova, bot, "asks", "Confirm")
    press(nova, older, "Confirm")
    until(lambda: asks(bot, "second"), "the second question")
    assert "@nova answered yes at" in late(scene, malte, older, "Skip")
    assert "already moved on" in late(scene, malte, older, "Abort")
    assert scene.status("second") != "skipped"
    scene.ok("abort")
    scene.wait_for("run.ended")


def test_the_buttons_of_a_card_are_stale_once_the_incident_is_over(
    scene: Scene, bot: Bot, nova: Person, malte: Person
) -> None:
    nova.slash("inc declare", title="the disk is full").wait()
    card = bot.card()
    form = malte.click(card, "Note").wait()
    scene.ok("resolve", "over", by="ada")
    for label in ("Note", "Take command", "Resolve"):
        assert "inc-1 is resolved, by ada at" in late(scene, nova, card, label)
    before = kinds(scene)
    answer = malte.submit(form, {"Text": "typed meanwhile"}).wait()
    assert answer.ephemeral and "inc-1 is resolved, by ada at" in answer.text
    assert "typed meanwhile" in answer.text, "what was typed is not lost"
    assert kinds(scene) == before


# -- terminal and Discord


def test_a_run_that_was_started_at_a_terminal_is_answered_in_discord(
    scene: Scene, bot: Bot, nova: Person
) -> None:
    sitting = scene.sit("run", "asks", by="ada")
    sitting.see("Go?")
    message = bot.run_message(scene.run(), button="Confirm")
    assert "confirmed" in press(nova, message, "Confirm")
    sitting.see("And on?")
    message = until(lambda: asks(bot, "second"), "the second question")
    assert "skipped" in press(nova, message, "Skip")
    sitting.see("Look at it.")
    press(nova, bot.run_message(scene.run(), button="Done"), "Done")
    assert scene.wait_for("run.ended").data["status"] == "ok"
    assert scene.acts() == ["first"]
    assert ("question.answered", "@nova") in by_people(scene)


def test_a_run_that_was_started_in_discord_is_answered_at_a_terminal(
    scene: Scene, bot: Bot, nova: Person
) -> None:
    started(nova, bot, "asks", "Confirm")
    scene.ok("confirm", by="ada")
    until(lambda: asks(bot, "second"), "the second question in Discord")
    scene.ok("skip", by="ada")
    bot.run_message(scene.run(), button="Done")
    scene.ok("done", by="ada")
    until(lambda: not labels(bot.run_message(scene.run())), "a message without buttons")
    assert scene.acts() == ["first"]


# -- over the bot's death


def again(bot: Bot) -> None:
    bot.kill()
    bot.start()


def test_buttons_and_forms_of_an_earlier_life_work(
    scene: Scene, bot: Bot, discord: Discord, nova: Person
) -> None:
    nova.slash("inc declare", title="measure it").wait()
    message = started(nova, bot, "measures", "Done")
    card = bot.card()
    outputs = nova.click(message, "Done").wait()
    note = nova.click(card, "Note").wait()
    declare = nova.slash("inc declare").wait()
    again(bot)
    assert "act: done" in nova.submit(outputs, {"size": "1KiB"}).wait().text
    assert nova.submit(note, {"Text": "typed before the restart"}).wait().ephemeral
    assert "commander" in press(nova, card, "Take command")
    assert scene.wait_for("run.ended").data["status"] == "ok"
    assert scene.acts() == ["1024"]
    assert "inc-2" in nova.submit(declare, {"Title": "another"}).wait().text
    until(lambda: not labels(bot.run_message(scene.run())), "a message without buttons")
    assert [one.body for one in stream(scene) if one.kind == "note"] == ["typed before the restart"]


def test_a_click_that_a_death_cut_off_is_done_once_when_it_is_heard_again(
    scene: Scene, bot: Bot, discord: Discord, nova: Person
) -> None:
    message = started(nova, bot, "asks", "Confirm")
    click = nova.click(message, "Confirm")
    scene.wait_for("question.answered")
    again(bot)
    discord.deliver_again(click)
    until(lambda: asks(bot, "second"), "the second question")
    assert not click.failed
    assert kinds(scene).count("question.answered") == 1
    assert scene.acts() == ["first"]
