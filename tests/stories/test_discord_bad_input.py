"""What goes wrong in a chat: each gets a clear answer that one person sees, or a post elsewhere; the record is right."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from incidents.store import open_store
from tests.chat.discord.errors import CannotSend
from tests.chat.discord.server import Discord
from tests.stories import scene as scenes
from tests.stories.bot import Bot, labels, served
from tests.stories.scene import Scene, until

BOOK = """\
runbook: 1
name: cure
steps:
  - id: cure
    name: Cure
    confirm: Cure it?
    run: echo cured >> ACTS
  - id: proof
    name: Proof
    manual: Does it work again?
"""
ALLOWED = """\
runbook: 1
name: guarded
allow: [steward]
steps:
  - run: echo cured >> ACTS
"""


@pytest.fixture
def bot(scene: Scene) -> Iterator[Bot]:
    os.mkdir(os.path.join(scene.folder, "runbooks"))
    scene.runbook(
        "permissions: {cancel: [steward]}\npeople: {nova: {roles: [steward], unix: nova}}\n", "howdah.yaml"
    )
    scene.runbook(BOOK, "runbooks/cure.yaml")
    scene.runbook(ALLOWED, "runbooks/guarded.yaml")
    with served(scene) as (bot, discord):
        yield bot
        assert discord.wrong == []


@pytest.fixture
def discord(bot: Bot) -> Discord:
    return bot.discord


def kinds(place: Scene, stream: str = "inc-1") -> list[str]:
    with open_store(place.store) as store:
        return [event.kind for event in store.events(stream)]


def asked(place: Scene, bot: Bot, discord: Discord) -> tuple[str, dict[str, object]]:
    """An incident with a run that asks; its thread, and the run's message."""
    nova = discord.person("nova")
    nova.slash("inc declare", title="the disk is full").wait()
    thread = bot.thread()
    started = nova.slash("run start", runbook="cure", channel=thread).wait()
    assert "has begun" in started.text, started.text
    return thread, bot.run_message(place.run(), button="Confirm")


def test_a_button_that_is_stale_says_what_has_happened(scene: Scene, bot: Bot, discord: Discord) -> None:
    _, message = asked(scene, bot, discord)
    scene.ok("confirm", by="malte")
    proof = bot.run_message(scene.run(), button="Done")
    before = kinds(scene)
    late = discord.person("robin").click(message, "Skip").wait()
    assert late.ephemeral
    assert "already moved on: malte answered yes" in late.text
    scene.ok("done", by="malte")
    scene.wait_for("run.ended")
    later = discord.person("robin").click(proof, "Abort").wait()
    assert "already moved on" in later.text and "answered done" in later.text
    assert [kind for kind in kinds(scene)[len(before) :] if kind == "run.request"] == []


def test_a_double_click_is_one_event_and_the_second_of_two_people_reads_who_was_first(
    scene: Scene, bot: Bot, discord: Discord
) -> None:
    _, message = asked(scene, bot, discord)
    nova, malte = discord.person("nova2"), discord.person("malte")
    answers = [nova.click(message, "Confirm"), nova.click(message, "Confirm"), malte.click(message, "Skip")]
    texts = [answer.wait().text for answer in answers]
    assert all(answer.ephemeral for answer in answers)
    scene.wait_for("question.asked", what="manual")
    assert kinds(scene).count("question.answered") == 1
    first = scene.wait_for("question.answered").data["answer"]
    assert scene.acts() == (["cured"] if first == "yes" else [])
    who = "@nova2 answered yes" if first == "yes" else "@malte answered skip"
    lost = [text for text in texts if f"already moved on: {who}" in text]
    won = [text for text in texts if "confirmed" in text or "skipped" in text or "already recorded" in text]
    assert len(lost) == (1 if first == "yes" else 2) and len(lost) + len(won) == 3, texts


def test_the_same_delivery_twice_is_one_event(scene: Scene, bot: Bot, discord: Discord) -> None:
    nova = discord.person("nova")
    nova.slash("inc declare", title="the disk is full").wait()
    note = nova.slash("inc note", text="once")
    discord.deliver_again(note)
    note.wait()
    bot.kill()
    bot.start()
    discord.deliver_again(note)
    nova.slash("inc note", text="after").wait()
    until(lambda: kinds(scene).count("note") >= 2, "the second note")
    assert kinds(scene).count("note") == 2


def test_a_deleted_thread_and_a_deleted_message_come_back(scene: Scene, bot: Bot, discord: Discord) -> None:
    thread, message = asked(scene, bot, discord)
    discord.delete_message(str(message["id"]))
    again = until(
        lambda: next((one for one in discord.messages(thread) if "Confirm" in labels(one)), None),
        "the message",
    )
    assert again["id"] != message["id"]
    discord.delete_channel(thread)
    scene.ok("note", "after the thread was deleted")
    until(lambda: len(discord.threads()) == 1 and discord.threads()[0]["id"] != thread, "another thread")
    until(lambda: any("after the thread was deleted" in line for line in bot.lines()), "the line")
    moved = bot.run_message(scene.run(), button="Confirm")
    assert "confirmed" in discord.person("malte").click(moved, "Confirm").wait().text


def test_a_person_without_the_role_is_refused_alone_and_it_is_recorded_once(
    scene: Scene, bot: Bot, discord: Discord
) -> None:
    asked(scene, bot, discord)
    robin = discord.person("robin")
    refused = robin.slash("inc cancel")
    discord.deliver_again(refused)
    refused.wait()
    assert refused.ephemeral
    assert "@robin may not cancel" in refused.text and "steward" in refused.text
    assert kinds(scene, "system").count("system.refused") == 1
    barred = robin.slash("run start", runbook="guarded").wait()
    assert barred.ephemeral and "may not run guarded" in barred.text
    assert scene.acts() == []


def test_an_interaction_that_expired_is_carried_out_once_and_answered_in_the_channel(
    scene: Scene, bot: Bot, discord: Discord
) -> None:
    nova = discord.person("nova")
    nova.slash("inc declare", title="the disk is full").wait()
    thread = bot.thread()
    discord.fault("POST", "/callback", code=10062)
    nova.slash("inc note", text="said too late", channel=thread)
    until(lambda: kinds(scene).count("note") == 1, "the note")
    until(lambda: any(nova.mention in str(one["content"]) for one in discord.messages(thread)), "the answer")
    discord.fault("PATCH", "/messages/@original", code=50027)
    nova.slash("inc note", text="answered too late", channel=thread)
    until(
        lambda: sum(nova.mention in str(one["content"]) for one in discord.messages(thread)) == 2,
        "the other answer",
    )
    assert kinds(scene).count("note") == 2


HOSTILE = "@everyone <@1234567890123456789> <@&12345678901234567> ``` ```` **bold** # head\n> quote [a](http://x) \u202e\u200b"


def test_text_mentions_nobody_stays_in_its_place_and_is_cut_with_the_whole_as_a_file(
    scene: Scene, bot: Bot, discord: Discord
) -> None:
    nova = discord.person("nova")
    nova.slash("inc declare", title=HOSTILE[:200]).wait()
    thread = bot.thread()
    nova.slash("inc note", text=HOSTILE, channel=thread).wait()
    form = nova.slash("inc note", channel=thread).wait()
    nova.submit(form, {"Text": HOSTILE * 30}).wait()
    scene.ok("note", "x" * 60_000)
    last = until(lambda: next((m for m in discord.messages(thread) if m.get("attachments")), None), "a file")
    until(lambda: any("#4" in line for line in bot.lines()), "the last line")
    assert last["attachments"]
    for channel in (discord.channel, thread):
        for one in discord.messages(channel):
            if one["author"].get("bot"):
                assert (
                    not one.get("mention_everyone")
                    and not one.get("mentions")
                    and not one.get("mention_roles")
                )
    assert "@everyone" in scene.ok("timeline"), "the record has what was said"


def test_a_token_that_is_revoked_ends_the_bot_and_nothing_else(
    scene: Scene, bot: Bot, discord: Discord
) -> None:
    _, message = asked(scene, bot, discord)
    life = bot.life
    assert life is not None
    discord.revoke_token()
    done = scenes.ended(life)
    bot.life = None
    assert done.code == 4, done
    assert "token" in done.err and "Traceback" not in done.err
    scene.ok("confirm", by="malte")
    scene.wait_for("question.asked", what="manual")
    assert "whole" in scene.ok("verify")
    assert message


def test_another_server_has_no_say(scene: Scene, bot: Bot, discord: Discord) -> None:
    nova = discord.person("nova")
    nova.slash("inc declare", title="the disk is full").wait()
    card = bot.card()
    other = discord.add_guild("Elsewhere")
    stranger = discord.person("stranger", guild=other)
    with pytest.raises(CannotSend):
        stranger.slash("inc note", text="let me in")
    assert "from here" in nova.slash("inc note", text="from here").wait().text
    bot.kill()
    bot.start()
    note = nova.slash("inc note", text="from nowhere").wait()  # nobody knows which of the two is ours
    assert note.ephemeral and "serves none" in note.text
    bot.kill()
    scene.runbook(f"discord: {{guild: '{discord.guild}'}}\n", "howdah.yaml")
    bot.start()
    assert "again" in nova.slash("inc note", text="again").wait().text
    pressed = stranger.click(card, "Take command")
    assert "another server" in pressed.wait().text or pressed.failed
    assert kinds(scene) == ["incident.declared", "note", "note"]


def test_a_runbook_is_named_and_never_a_file(scene: Scene, bot: Bot, discord: Discord) -> None:
    nova = discord.person("nova")
    nova.slash("inc declare", title="the disk is full").wait()
    for name in ("./runbooks/cure.yaml", "/etc/passwd", "cure.yaml", "no-such"):
        answer = nova.slash("run start", runbook=name).wait()
        assert answer.ephemeral and "has begun" not in answer.text, answer.text
    assert scene.runs() == []


@pytest.mark.parametrize("drop", ["before", "after"])
def test_a_connection_that_is_cut_at_the_first_answer_loses_no_word(
    scene: Scene, bot: Bot, discord: Discord, drop: str
) -> None:
    nova = discord.person("nova")
    nova.slash("inc declare", title="the disk is full").wait()
    discord.fault("POST", "/callback", drop=drop)
    nova.slash("inc note", text="cut off", channel=bot.thread())
    until(lambda: kinds(scene).count("note") == 1, "the note")
    assert "after" in nova.slash("inc note", text="after").wait().text
    assert kinds(scene).count("note") == 2


TWO = """\
runbook: 1
name: two
steps:
  - {id: first, confirm: "First?", run: echo first >> ACTS}
  - {id: second, confirm: "Second?", run: echo second >> ACTS}
"""


def test_a_bare_answer_that_is_delivered_again_after_a_restart_answers_no_second_question(
    scene: Scene, bot: Bot, discord: Discord
) -> None:
    scene.runbook(TWO, "runbooks/two.yaml")
    nova = discord.person("nova")
    nova.slash("inc declare", title="the disk is full").wait()
    nova.slash("run start", runbook="two", channel=bot.thread()).wait()
    bot.run_message(scene.run(), button="Confirm")
    answer = nova.slash("run confirm", channel=bot.thread())
    answer.wait()
    scene.wait_for("question.asked", path="second")
    bot.kill()
    bot.start()
    discord.deliver_again(answer)
    until(lambda: "already recorded" in answer.text, "the answer to the second delivery")
    assert scene.acts() == ["first"]


def test_whom_a_runbook_does_not_allow_answers_nothing_of_its_runs(
    scene: Scene, bot: Bot, discord: Discord
) -> None:
    scene.runbook(ALLOWED.replace("  - run", "  - confirm: Do it?\n    run"), "runbooks/guarded.yaml")
    scene.ok("declare", "the disk is full")
    scene("run", "guarded", by="nova", HOWDAH_AS="")
    message = bot.run_message(scene.run(), button="Confirm")
    refused = discord.person("robin").click(message, "Confirm").wait()
    assert refused.ephemeral and "may not run guarded" in refused.text, refused.text
    assert scene.acts() == [] and "question.answered" not in kinds(scene)
