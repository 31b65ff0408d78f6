"""Discord fails in its many ways: the record never suffers, and what the chat has missed comes, in order, once."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.chat.discord import permissions
from tests.chat.discord.server import Discord
from tests.stories import scene as scenes
from tests.stories.bot import Bot, served
from tests.stories.scene import Scene, lives, until

SLOW = """\
runbook: 1
name: slow
steps:
  - effect: read
    run: for i in 1 2 3 4 5 6; do echo $i; sleep 0.5; done
"""


@pytest.fixture
def bot(scene: Scene) -> Iterator[Bot]:
    os.mkdir(os.path.join(scene.folder, "runbooks"))
    scene.runbook("people: {}\n", "howdah.yaml")
    scene.runbook(SLOW, "runbooks/slow.yaml")
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


def test_what_a_terminal_does_while_discord_is_away_comes_in_order_when_it_is_back(
    scene: Scene, bot: Bot, discord: Discord
) -> None:
    scene.ok("declare", "before")
    told(bot, 1)
    discord.refuse_gateway()
    for method in ("GET", "POST", "PATCH", "PUT", "DELETE"):
        discord.fault(method, "/channels/", times=10_000, status=503)
    discord.disconnect(1001)
    for number in range(2, 22):
        scene.ok("note", f"line {number}")
    scene.ok("resolve", "over")
    scene.ok("declare", "while away")
    before = len(discord.requests)
    discord.faults.rules.clear()
    discord.refuse_gateway(False)
    told(bot, 22)
    told(bot, 1, "inc-2")
    until(lambda: len(discord.pins()) == 1, "one card is pinned")
    posts = [
        one for one in discord.requests[before:] if one.method == "POST" and one.path.endswith("/messages")
    ]
    assert len([one for one in posts if one.status == 200]) < 12, "many lines share a message"


def test_three_incidents_of_the_time_when_no_bot_ran_are_shown_in_order(
    scene: Scene, bot: Bot, discord: Discord
) -> None:
    bot.stop()
    for number in (1, 2, 3):
        scene.ok("declare", f"incident {number}")
        for text in "abcdef":
            scene.ok("note", text)
        scene.ok("resolve", "over")
    bot.start()
    for number in (1, 2, 3):
        told(bot, 8, f"inc-{number}")
    bot.kill()
    count = len([one for one in discord.requests if one.method == "POST"])
    bot.start()
    scene.ok("note", "late", "--incident", "inc-3")
    told(bot, 9, "inc-3")
    assert (
        len([one for one in discord.requests[count:] if one.method == "POST" and "callback" not in one.path])
        <= 60
    )
    assert discord.pins() == []


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500, "times": 2}, {"status": 502, "times": 1}, {"status": 503, "times": 1},
        {"drop": "before", "times": 1}, {"drop": "after", "times": 1}, {"drop": "after", "times": 2},
        {"status": 429, "retry_after": 0.5, "times": 1}, {"status": 429, "retry_after": 0.5, "scope": "global", "times": 1},
    ],
    ids=lambda fault: "-".join(map(str, fault.values())),
)  # fmt: skip
def test_a_request_that_fails_is_repeated_and_nothing_stands_there_twice(
    scene: Scene, bot: Bot, discord: Discord, fault: dict[str, Any]
) -> None:
    scene.ok("declare", "first")
    told(bot, 1)
    discord.fault("POST", "/messages$", **fault)
    scene.ok("note", "one")
    scene.ok("note", "two")
    told(bot, 3)
    texts = [str(one["content"]) for one in discord.messages(bot.thread())]
    assert sum("one" in text for text in texts) == 1 and sum("two" in text for text in texts) == 1


@pytest.mark.parametrize(
    "bits", [permissions.PIN_MESSAGES, permissions.READ_MESSAGE_HISTORY, permissions.SEND_MESSAGES_IN_THREADS]
)
def test_a_permission_that_is_missing_is_said_and_what_waits_for_it_comes_with_it(
    scene: Scene, bot: Bot, discord: Discord, bits: int
) -> None:
    discord.permissions[discord.channel] -= bits
    scene.ok("declare", "first")
    scene.ok("note", "two")
    if bits == permissions.SEND_MESSAGES_IN_THREADS:
        bot.card()
        time.sleep(1)
    else:
        told(bot, 2)
    discord.permissions[discord.channel] += bits
    scene.ok("note", "three")
    told(bot, 3)
    said = bot.stop().err
    assert said.count("Traceback") == 0
    assert "refuses" in said or bits == permissions.READ_MESSAGE_HISTORY, said


def test_an_archived_thread_is_opened_and_a_run_there_goes_on_being_shown(
    scene: Scene, bot: Bot, discord: Discord
) -> None:
    nova = discord.person("nova")
    nova.slash("inc declare", title="first").wait()
    thread = bot.thread()
    assert "has begun" in nova.slash("run start", runbook="slow", channel=thread).wait().text
    bot.run_message(scene.run())
    discord.archive(thread)
    scene.wait_for("run.ended", status="ok")

    def drawn() -> bool:
        return "ended: ok" in str(bot.run_message(scene.run())["embeds"])

    until(drawn, "the end of the run")


def test_term_ends_the_bot_while_a_run_goes_on(scene: Scene, bot: Bot, discord: Discord) -> None:
    nova = discord.person("nova")
    nova.slash("inc declare", title="first").wait()
    nova.slash("run start", runbook="slow").wait()
    driver = scene.driver()
    done = bot.stop()
    assert (done.code, "Traceback" in done.err) == (0, False), done
    assert lives(driver)
    scene.wait_for("run.ended", status="ok")
    bot.start()
    until(lambda: "ended: ok" in str(bot.run_message(scene.run())["embeds"]), "the end of the run")


def test_a_second_bot_on_the_same_record_is_refused(scene: Scene, bot: Bot, discord: Discord) -> None:
    second = scene("serve", "--discord", **discord.environ())
    assert second.code == 4
    assert "already" in second.err


def test_a_record_that_another_process_holds_is_said_and_the_bot_goes_on(
    scene: Scene, bot: Bot, discord: Discord
) -> None:
    nova = discord.person("nova")
    nova.slash("inc declare", title="first").wait()
    with open(scene.store + ".lock", "rb+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        answer = nova.slash("inc note", text="while it is held")
        answer.wait(30)
        assert answer.ephemeral and "has been writing the store" in answer.text, answer.text
        fcntl.flock(lock, fcntl.LOCK_UN)
    assert "after" in nova.slash("inc note", text="after").wait().text
    until(lambda: any("after" in line for line in bot.lines()), "the line")
    assert bot.life is not None and lives(bot.life.pid)


def test_notes_from_several_terminals_at_once_stand_there_once_and_in_order(
    scene: Scene, bot: Bot, discord: Discord
) -> None:
    nova = discord.person("nova")
    nova.slash("inc declare", title="first").wait()
    nova.slash("run start", runbook="slow").wait()
    writers = [scene.begin("note", f"from {n}") for n in range(12)]
    assert [scenes.ended(one).code for one in writers] == [0] * 12
    scene.wait_for("run.ended", status="ok")
    end = scene.ok("note", "the last")
    told(bot, int(end.split("#")[1].split()[0]))
    texts = "\n".join(bot.lines())
    assert all(texts.count(f"from {n}\n") + texts.endswith(f"from {n}") == 1 for n in range(12)), texts
