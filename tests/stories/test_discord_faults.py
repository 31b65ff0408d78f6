"""Things vanish in Discord, or are not allowed: the record never suffers, and what the chat has missed comes, once."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.chat.discord import permissions
from tests.chat.discord.server import Discord
from tests.stories.bot import Bot, labels, served
from tests.stories.scene import Scene, until

ASKS = """\
runbook: 1
name: asks
steps:
  - id: look
    effect: read
    run: echo looking
  - id: act
    confirm: Act now?
    run: echo acted >> ACTS
"""


@pytest.fixture
def bot(scene: Scene) -> Iterator[Bot]:
    os.mkdir(os.path.join(scene.folder, "runbooks"))
    scene.runbook("people: {}\n", "howdah.yaml")
    scene.runbook(ASKS, "runbooks/asks.yaml")
    with served(scene) as (bot, discord):
        yield bot
        assert discord.wrong == []


@pytest.fixture
def discord(bot: Bot) -> Discord:
    return bot.discord


def numbers(bot: Bot, incident: str = "inc-1") -> list[int]:
    return [int(line.partition("`#")[2].partition("`")[0]) for line in bot.lines(incident)]


def told(bot: Bot, last: int, incident: str = "inc-1") -> None:
    """Every line is there, in order, once."""
    until(lambda: last in numbers(bot, incident), f"line {last}")
    found = numbers(bot, incident)
    assert found == sorted(set(found)), found


def asked(scene: Scene, bot: Bot, discord: Discord) -> str:
    """A run that waits for a person, shown in the thread; its name."""
    nova = discord.person("nova")
    nova.slash("inc declare", title="first").wait()
    nova.slash("run start", runbook="asks", channel=bot.thread()).wait()
    run = scene.run()
    bot.run_message(run, button="Confirm")
    scene.wait_for("question.asked")
    return run


def shown_again(bot: Bot, run: str, before: object) -> dict[str, object]:
    """The message of the run that stands there now, another than the one before."""
    return until(
        lambda: one if (one := bot.run_message(run, button="Confirm"))["id"] != before else None,
        "another message of the run",
    )


def cards(discord: Discord, incident: str = "inc-1") -> list[dict[str, Any]]:
    channels = [str(one["id"]) for one in (*discord.channels(), *discord.threads())]
    return [
        one
        for channel in channels
        for one in discord.messages(channel)
        if any(str(embed.get("title", "")).startswith(f"{incident} ") for embed in one["embeds"])
    ]


def acted(scene: Scene, bot: Bot, discord: Discord, message: dict[str, object]) -> None:
    """The button of the message works, and the run's end is drawn there."""
    answer = discord.person("malte").click(message, "Confirm").wait()
    assert answer.ephemeral and not answer.failed
    scene.wait_for("run.ended", status="ok")
    assert scene.acts() == ["acted"]
    until(lambda: labels(bot.run_message(scene.run())) == [], "the end of the buttons")


# -- what is deleted


def test_a_deleted_thread_has_a_successor_with_the_run_and_without_the_old_lines(
    scene: Scene, bot: Bot, discord: Discord
) -> None:
    run = asked(scene, bot, discord)
    told(bot, 1)
    thread, message = bot.thread(), bot.run_message(run)["id"]
    discord.delete_channel(thread)
    scene.ok("note", "after it was deleted")
    until(lambda: discord.threads() and bot.thread() != thread, "another thread")
    until(lambda: any("after it was deleted" in line for line in bot.lines()), "the line")
    again = shown_again(bot, run, message)
    assert numbers(bot)[0] > 1
    assert len(cards(discord)) == 1
    until(lambda: [pin["id"] for pin in discord.pins()] == [bot.card()["id"]], "the pin")
    acted(scene, bot, discord, again)


def test_a_deleted_message_of_a_run_comes_back_with_buttons_that_work(
    scene: Scene, bot: Bot, discord: Discord
) -> None:
    run = asked(scene, bot, discord)
    message = bot.run_message(run)
    discord.delete_message(str(message["id"]))
    acted(scene, bot, discord, shown_again(bot, run, message["id"]))


def test_a_run_s_message_that_was_deleted_while_no_bot_ran_comes_back(
    scene: Scene, bot: Bot, discord: Discord
) -> None:
    run = asked(scene, bot, discord)
    message = bot.run_message(run)
    bot.stop()
    discord.delete_message(str(message["id"]))
    bot.start()
    acted(scene, bot, discord, shown_again(bot, run, message["id"]))


def test_a_run_s_message_that_was_deleted_while_the_session_was_lost_comes_back(
    scene: Scene, bot: Bot, discord: Discord
) -> None:
    run = asked(scene, bot, discord)
    message = bot.run_message(run)
    discord.refuse_gateway()
    discord.disconnect(1001)
    discord.wait_for(lambda: not discord.connected)
    discord.delete_message(str(message["id"]))
    discord.refuse_gateway(False)
    acted(scene, bot, discord, shown_again(bot, run, message["id"]))


def test_a_deleted_card_comes_back_and_is_pinned(scene: Scene, bot: Bot, discord: Discord) -> None:
    discord.person("nova").slash("inc declare", title="first").wait()
    card = bot.card()["id"]
    until(discord.pins, "the pin")
    discord.delete_message(str(card))
    again = until(lambda: cards(discord), "another card")
    assert [one["id"] for one in again] != [card] and len(again) == 1
    until(
        lambda: [one["id"] for one in discord.pins(str(again[0]["channel_id"]))] == [again[0]["id"]],
        "the pin",
    )
    scene.ok("resolve", "over")
    until(lambda: "resolved" in str(cards(discord)[0]["embeds"]), "the end on the new card")


def test_a_deleted_home_channel_is_replaced_by_another(scene: Scene, bot: Bot, discord: Discord) -> None:
    run = asked(scene, bot, discord)
    message = bot.run_message(run)["id"]
    other = discord.add_channel("lobby")
    home, discord.channel = discord.channel, other  # where people look from now on
    discord.delete_channel(home)
    until(lambda: cards(discord), "a card in the other channel")
    assert {str(one["channel_id"]) for one in cards(discord)} == {other}
    again = shown_again(bot, run, message)
    scene.ok("note", "here as well")
    until(lambda: any("here as well" in line for line in bot.lines()), "the line")
    acted(scene, bot, discord, again)
    scene.ok("declare", "another one")
    assert bot.card("inc-2")["channel_id"] == other


# -- what is closed


def test_a_locked_thread_stays_to_be_read_and_another_one_goes_on(
    scene: Scene, bot: Bot, discord: Discord
) -> None:
    run = asked(scene, bot, discord)
    told(bot, 1)
    thread, message = bot.thread(), bot.run_message(run)["id"]
    discord.lock_thread(thread)
    scene.ok("note", "after the lock")
    until(lambda: bot.thread() != thread, "another thread")
    until(lambda: any("after the lock" in line for line in bot.lines()), "the line")
    assert "#1" in discord.text(thread)
    acted(scene, bot, discord, shown_again(bot, run, message))
    assert len(discord.pins()) == 1


def test_an_archived_thread_is_opened_for_the_next_line(scene: Scene, bot: Bot, discord: Discord) -> None:
    scene.ok("declare", "first")
    told(bot, 1)
    discord.archive(bot.thread())
    scene.ok("note", "here")
    told(bot, 2)
    assert len(discord.threads()) == 1


# -- what is not allowed


@pytest.mark.parametrize(
    "lacking",
    ["PIN_MESSAGES", "EMBED_LINKS", "SEND_MESSAGES_IN_THREADS", "CREATE_PUBLIC_THREADS", "READ_MESSAGE_HISTORY",
     "VIEW_CHANNEL", "SEND_MESSAGES"],
)  # fmt: skip
def test_what_a_missing_permission_held_up_comes_once_it_is_given(
    scene: Scene, bot: Bot, discord: Discord, lacking: str
) -> None:
    """Nobody needs to do anything else for that, and the record has had it all along."""
    bits = getattr(permissions, lacking)
    discord.permissions[discord.channel] -= bits
    nova = discord.person("nova")
    answer = nova.slash("inc declare", title="first").wait(20)
    assert answer.ephemeral and "inc-1" in answer.text, answer.text
    scene.ok("note", "two")
    nova.slash("run start", runbook="asks").wait(20)
    scene.wait_for("question.asked")
    assert "two" in scene.ok("timeline")
    time.sleep(1.5)  # the bot has tried, and tries again
    if lacking in ("PIN_MESSAGES", "READ_MESSAGE_HISTORY"):
        told(bot, 2)
        bot.run_message(scene.run(), button="Confirm")
    discord.permissions[discord.channel] += bits
    until(lambda: 2 in numbers(bot), "the lines", 20)
    told(bot, 2)
    message = until(lambda: bot.run_message(scene.run(), button="Confirm"), "the run", 20)
    assert len(cards(discord)) == 1 and len(discord.threads()) == 1, [cards(discord), discord.threads()]
    acted(scene, bot, discord, message)
    if lacking != "PIN_MESSAGES":
        until(lambda: len(discord.pins()) == 1, "the pin")
    said = bot.stop().err
    assert "Traceback" not in said
    if lacking != "READ_MESSAGE_HISTORY":
        about = [line for line in said.splitlines() if "inc-1" in line]
        assert about and ("refuses" in about[0] or lacking in about[0]), said
        assert len(about) == 1 or lacking != "PIN_MESSAGES", said


def test_a_channel_where_no_threads_may_be_made_leaves_no_card_behind_when_another_takes_the_incident(
    scene: Scene, bot: Bot, discord: Discord
) -> None:
    other = discord.add_channel("lobby")
    discord.permissions[discord.channel] -= permissions.CREATE_PUBLIC_THREADS
    discord.person("nova").slash("inc declare", title="first").wait(20)
    told(bot, 1)
    until(lambda: [one["channel_id"] for one in cards(discord)] == [other], "one card, in the other channel")
