"""The bot is killed again and again while an incident goes on: the record, the run and the chat come out the same.

Who clicks and gets no answer is heard by the next bot: the very same interaction is delivered again. Discord itself
does so only for a session that is resumed; a person who repeats by hand makes a new interaction, which is another word
in the record (an answer to a question excepted: its key is the question's).
"""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from incidents import lifecycle, timeline
from incidents.store import open_store
from runbooks import journal
from tests.chat.discord.person import Answer
from tests.chat.discord.server import Discord
from tests.stories.bot import Bot, served
from tests.stories.scene import PATIENCE, Scene, lives, scene, until

BOOK = """\
runbook: 1
name: cure
inputs:
  who: {type: string, required: true}
steps:
  - id: look
    effect: read
    run: echo looking at "$IN_WHO"
  - id: cure
    name: Cure
    confirm: Cure it?
    run: echo cured >> ACTS; sleep 1; echo done with "$IN_WHO"
  - id: proof
    manual: Does it work again?
"""
KILLS = 20
SETTINGS = {"first_answer_s": 120.0}  # a bot that is started anew takes longer than Discord's three seconds
VOLATILE = ("took", "pid", "digest", "cwd", "path", "umask", "ran")


class Hunter:
    """Kills the bot `left` times, at random moments after a person did something; who clicked is heard again."""

    def __init__(self, bot: Bot, kills: int, seed: int):
        self.bot, self.discord, self.left = bot, bot.discord, kills
        self.random = random.Random(seed)
        self.killed = 0

    def did(self, send: Callable[[], Answer]) -> Answer:
        """What a person does, until it is answered."""
        answer = send()
        for _ in range(2 if self.left else 0):
            self._strike(self.random.uniform(0, 0.9))
            self.bot.start()
            self.discord.deliver_again(answer)
        return answer.wait(PATIENCE)

    def rests(self, seconds: float) -> None:
        """While nobody does anything."""
        if self.left:
            self._strike(self.random.uniform(0, seconds))
            self.bot.start()

    def _strike(self, delay: float) -> None:
        time.sleep(delay)
        assert self.bot.life is not None and lives(self.bot.life.pid)
        self.bot.kill()
        self.left, self.killed = max(0, self.left - 1), self.killed + 1


def story(place: Scene, bot: Bot, discord: Discord, hunter: Hunter) -> None:
    """Told by nova and malte, the same each time."""
    nova, malte = discord.person("nova"), discord.person("malte")
    hunter.did(lambda: nova.slash("inc declare", title="the disk is full", sev="sev2"))
    thread = bot.thread()
    hunter.did(lambda: malte.slash("inc role", role="commander", person="me", channel=thread))
    hunter.did(lambda: nova.slash("inc note", text="web answers slowly", channel=thread))
    said = malte.say(thread, "I think it is the archive")
    hunter.did(lambda: nova.menu("Add to timeline", said))
    hunter.did(lambda: nova.slash("run start", runbook="cure", inputs="who=db1", channel=thread))
    run = place.run()
    message = bot.run_message(run, button="Confirm")
    hunter.did(lambda: malte.click(message, "Confirm"))
    hunter.rests(1.0)
    message = bot.run_message(run, button="Done")
    hunter.did(lambda: malte.click(message, "Done"))
    place.wait_for("run.ended", status="ok")
    hunter.did(lambda: nova.slash("inc mitigate", channel=thread))
    hunter.did(lambda: nova.slash("inc resolve", text="cured", channel=thread))
    hunter.rests(0.5)
    with open_store(place.store) as store:
        last = store.last_seq("inc-1")
    until(lambda: f"#{last}`" in "\n".join(bot.lines()), "the last line")
    until(lambda: not discord.pins(), "the end of the pin")


def recorded(place: Scene) -> list[tuple[object, ...]]:
    """(key, kind, actor, payload) of every event, without what clocks, pids and chance decide."""
    names: dict[str, str] = {}

    def same(text: str) -> str:
        text = text.replace(place.folder, "FOLDER")
        text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]{21}", "UUID", text)
        return re.sub(
            r"\b\d{17,20}\b|run-[a-z0-9]{6,}", lambda m: names.setdefault(m[0], f"N{len(names)}"), text
        )

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return tuple(sorted((same(k), plain(v)) for k, v in value.items() if k not in VOLATILE))
        if isinstance(value, list | tuple):
            return tuple(map(plain, value))
        return same(value) if isinstance(value, str) else value

    with open_store(place.store) as store:
        events = list(store.events("inc-1"))
    return [
        (plain(e.key), e.kind, plain(e.actor), plain(e.body), plain(dict(e.data)), e.mode, e.milestone)
        for e in events
    ]


def folds(place: Scene) -> tuple[object, ...]:
    with open_store(place.store) as store:
        events = list(store.events("inc-1"))
        assert store.derived_differences() == []
    one = lifecycle.fold(events)
    run = journal.fold(place.run(), events)
    words = [(entry.event.kind, entry.retracted, entry.corrected) for entry in timeline.view(events)]
    statuses = tuple((path, state.status, state.count("run")) for path, state in run.steps.items())
    return one.status, one.severity, sorted(one.roles), run.status, statuses, sorted(words)


def chat(bot: Bot, discord: Discord, run: str) -> dict[str, object]:
    """How often each thing stands in the chat."""
    everything = [one for channel in (discord.channel, bot.thread()) for one in discord.messages(channel)]
    titles = [str(embed.get("title", "")) for one in everything for embed in one["embeds"]]
    return {
        "cards": sum(title.startswith("inc-1 ") for title in titles),
        "runs": sum(run in title for title in titles),
        "threads": len(discord.threads()),
        "numbers": [line.partition("`#")[2].partition("`")[0] for line in bot.lines()],
    }


def told(
    folder: Path, kills: int, seed: int
) -> tuple[list[tuple[object, ...]], tuple[object, ...], dict[str, object]]:
    folder.mkdir()
    with scene(str(folder)) as place:
        os.mkdir(os.path.join(place.folder, "runbooks"))
        place.runbook("people: {}\n", "howdah.yaml")
        place.runbook(BOOK, "runbooks/cure.yaml")
        with served(place, **SETTINGS) as (bot, discord):
            hunter = Hunter(bot, kills, seed)
            story(place, bot, discord, hunter)
            assert hunter.killed >= kills or not kills, f"seed {seed}: {hunter.killed} kills"
            assert place.acts() == ["cured"], f"seed {seed}"
            assert discord.wrong == []
            return recorded(place), folds(place), chat(bot, discord, place.run())


def test_twenty_kills_change_nothing_of_the_record_the_run_or_the_chat(tmp_path: Path) -> None:
    same_as_without_kills(tmp_path, random.randrange(1 << 30))


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(25))
def test_five_hundred_kills_change_nothing(tmp_path: Path, seed: int) -> None:
    same_as_without_kills(tmp_path, seed)


def same_as_without_kills(tmp_path: Path, seed: int) -> None:
    quiet_events, quiet_folds, quiet_chat = told(tmp_path / "quiet", 0, seed)
    events, folded, shown = told(tmp_path / "hunted", KILLS, seed)
    assert sorted(map(repr, events)) == sorted(map(repr, quiet_events)), f"seed {seed}"
    assert folded == quiet_folds, f"seed {seed}"
    for there in (quiet_chat, shown):
        numbers = there.pop("numbers")
        assert isinstance(numbers, list)
        assert numbers == sorted(set(numbers), key=int), f"seed {seed}: {numbers}"
        assert there == {"cards": 1, "runs": 1, "threads": 1}, f"seed {seed}"
