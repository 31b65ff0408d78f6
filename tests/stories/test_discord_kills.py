"""The bot is killed again and again while an incident goes on: the record, the run and the chat come out the same.

Who clicks and gets no answer is heard by the next bot: the very same interaction is delivered again, and who is asked
to say it again does. Discord itself delivers again only for a session that is resumed; a person who repeats by hand makes a new interaction, which is another word
in the record (an answer to a question excepted: its key is the question's).

A seed decides about all chance; it is in every message of a failure.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from incidents import lifecycle, timeline
from incidents.events import Event
from incidents.store import open_store
from runbooks import journal
from runbooks.drills import harness
from runbooks.drills.disk_full import lab as labs
from runbooks.drills.disk_full.lab import Lab
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
    run: echo cured >> acts; sleep 1; echo done with "$IN_WHO"
  - id: proof
    manual: Does it work again?
"""
KILLS = 20
SETTINGS = {"first_answer_s": 120.0}  # a bot that is started anew takes longer than Discord's three seconds
VOLATILE = ("took", "pid", "ran")  # of what a clock and the kernel decide
TOLD = (
    "incident.",
    "note",
    "role.",
    "run.ended",
    "question.answered",
)  # what always stands in the thread as a line


class Hunter:
    """Kills the bot at random moments after a person did something; who clicked is heard again.

    A moment is so long after the act, or so many requests after it, or in the middle of a start.
    """

    def __init__(self, bot: Bot, kills: int, seed: int):
        self.bot, self.discord, self.left, self.seed = bot, bot.discord, kills, seed
        self.random = random.Random(seed)
        self.killed = 0
        self.driver = 0  # the pid of the run's

    def did(self, send: Callable[[], Answer]) -> Answer:
        """What a person does, until it is answered."""
        before = len(self.discord.requests)
        answer = send()
        for _ in range(2):
            if self.left:
                self._strike(0.9, before)
                self.bot.start()
                before = len(self.discord.requests)
                self.discord.deliver_again(answer)
        answer.wait(PATIENCE)
        if "Say it again" in answer.text:  # answered before a kill, and recorded by nobody
            answer = send()
        return answer.wait(PATIENCE)

    def rests(self, seconds: float) -> None:
        """While nobody does anything."""
        if self.left:
            self._strike(seconds, len(self.discord.requests))
            self.bot.start()

    def _strike(self, seconds: float, before: int) -> None:
        if self.random.random() < 0.5:
            time.sleep(self.random.uniform(0, seconds))
        else:
            wanted = before + self.random.randint(1, 6)
            with contextlib.suppress(TimeoutError):  # so many do not come
                self.discord.wait_for(lambda: len(self.discord.requests) >= wanted, seconds)
        self._kill()
        if self.left and self.random.random() < 0.2:
            self.bot.begin()
            time.sleep(self.random.uniform(0, 0.5))
            self._kill()

    def _kill(self) -> None:
        assert self.bot.life is not None and lives(self.bot.life.pid), f"seed {self.seed}: {self.bot.kill()}"
        self.bot.kill()
        self.left, self.killed = self.left - 1, self.killed + 1


def story(place: Scene, bot: Bot, hunter: Hunter, book: str, inputs: str) -> None:
    """Told by nova and malte, the same each time."""
    discord = bot.discord
    nova, malte = discord.person("nova"), discord.person("malte")
    hunter.did(lambda: nova.slash("inc declare", title="the disk is full", sev="sev2"))
    thread = bot.thread()
    hunter.did(lambda: malte.slash("inc role", role="commander", person="me", channel=thread))
    hunter.did(lambda: nova.slash("inc note", text="web answers slowly", channel=thread))
    said = malte.say(thread, "I think it is the archive")
    hunter.did(lambda: nova.menu("Add to timeline", said))
    hunter.did(lambda: nova.slash("run start", runbook=book, inputs=inputs, channel=thread))
    run = place.run()
    confirm = bot.run_message(run, button="Confirm")
    hunter.driver = place.driver()
    hunter.did(lambda: malte.click(confirm, "Confirm"))
    hunter.rests(1.0)
    if book == "cure":
        done = bot.run_message(run, button="Done")
        hunter.did(lambda: malte.click(done, "Done"))
    place.wait_for("run.ended", status="ok")
    hunter.did(lambda: nova.slash("inc mitigate", channel=thread))
    hunter.did(lambda: nova.slash("inc resolve", text="cured", channel=thread))
    while hunter.left:
        hunter.rests(0.5)
    with open_store(place.store) as store:
        last = store.last_seq("inc-1")
    until(lambda: f"#{last}`" in "\n".join(bot.lines()), f"seed {hunter.seed}: the last line")
    until(lambda: not discord.pins(), f"seed {hunter.seed}: the end of the pin")


# -- what came out


class Told(NamedTuple):
    """What is there in the end: of the record, of its folds, of the chat."""

    events: list[Event]
    recorded: list[tuple[object, ...]]
    folds: tuple[object, ...]
    chat: dict[str, object]


def recorded(place: Scene, events: list[Event]) -> list[tuple[object, ...]]:
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

    return [
        (plain(e.key), e.kind, plain(e.actor), plain(e.source), plain(e.cause), plain(e.body), plain(dict(e.data)),
         plain(e.evidence), e.mode, e.milestone, e.importance, e.visibility)
        for e in events
    ]  # fmt: skip


def folds(place: Scene, events: list[Event]) -> tuple[object, ...]:
    with open_store(place.store) as store:
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
    }


def was_left_alone(events: list[Event], driver: int, seed: int) -> None:
    """Of the run: one driver from its start to its end, each step run once, nothing in doubt."""
    drivers = {event.data["pid"] for event in events if event.kind == "run.resumed"}
    assert drivers == {driver}, f"seed {seed}: the driver {driver} was followed by {drivers}"
    begun = [event.data["path"] for event in events if event.kind == "step.started"]
    assert len(begun) == len(set(begun)), f"seed {seed}: {begun}"
    assert all(event.data["attempt"] == 1 for event in events if event.kind == "step.started"), f"seed {seed}"
    ends = [event for event in events if event.kind == "step.ended"]
    assert {event.data["status"] for event in ends} <= {"ok", "skipped"}, f"seed {seed}"
    assert not any(event.data.get("recovered") for event in ends), f"seed {seed}"


def every_line_once(bot: Bot, events: list[Event], seed: int) -> None:
    numbers = [int(line.partition("`#")[2].partition("`")[0]) for line in bot.lines()]
    assert numbers == sorted(set(numbers)), f"seed {seed}: {numbers}"
    told = {event.seq for event in events if event.kind.startswith(TOLD)}
    assert told <= set(numbers), f"seed {seed}: {told - set(numbers)} are not told"
    asked = {event.seq for event in events if event.kind == "question.asked"}
    assert set(numbers) <= told | asked, f"seed {seed}: {numbers}"


def came_out(place: Scene, bot: Bot, hunter: Hunter) -> Told:
    """Looks at all of it, once the story is over."""
    seed = hunter.seed
    with open_store(place.store) as store:
        events = list(store.events("inc-1"))
    was_left_alone(events, hunter.driver, seed)
    every_line_once(bot, events, seed)
    shown = chat(bot, bot.discord, place.run())
    assert shown == {"cards": 1, "runs": 1, "threads": 1}, f"seed {seed}: {shown}"
    assert bot.discord.wrong == []
    assert "whole" in place.ok("verify")
    return Told(events, recorded(place, events), folds(place, events), shown)


def told(folder: Path, kills: int, seed: int) -> Told:
    folder.mkdir()
    with scene(str(folder)) as place:
        os.mkdir(os.path.join(place.folder, "runbooks"))
        place.runbook("people: {}\n", "howdah.yaml")
        place.runbook(BOOK, "runbooks/cure.yaml")
        with served(place, **SETTINGS) as (bot, _):
            hunter = Hunter(bot, kills, seed)
            story(place, bot, hunter, "cure", "who=db1")
            assert hunter.killed == kills, f"seed {seed}: {hunter.killed} kills"
            assert place.acts() == ["cured"], f"seed {seed}"
            return came_out(place, bot, hunter)


def same_as_without_kills(tmp_path: Path, seed: int) -> None:
    quiet, hunted = told(tmp_path / "quiet", 0, seed), told(tmp_path / "hunted", KILLS, seed)
    assert sorted(map(repr, hunted.recorded)) == sorted(map(repr, quiet.recorded)), f"seed {seed}"
    assert hunted.folds == quiet.folds, f"seed {seed}"
    assert hunted.chat == quiet.chat, f"seed {seed}"


def test_twenty_kills_change_nothing_of_the_record_the_run_or_the_chat(tmp_path: Path) -> None:
    same_as_without_kills(tmp_path, random.randrange(1 << 30))


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(25))
def test_five_hundred_kills_change_nothing(tmp_path: Path, seed: int) -> None:
    same_as_without_kills(tmp_path, seed)


# -- a real full disk


def cured(folder: Path, kills: int, seed: int) -> Told:
    """The story on a filesystem that is really full, in a lab."""
    folder.mkdir()
    with scene(str(folder)) as place, served(place, **SETTINGS) as (bot, _):
        hunter = Hunter(bot, kills, seed)

        def play(lab: Lab) -> int:
            lab.seen()
            words = " ".join(f"{name}={value}" for name, value in lab.inputs().items())
            story(place, bot, hunter, "disk-full", words)
            end = place.journal().end
            assert end is not None
            return end.exit

        result = harness.drill("deleted-open", play, say=lambda line: None)
        assert (result.exit, result.score.cured, result.score.lost_bytes) == (0, True, 0), (
            f"seed {seed}: {result}"
        )
        assert result.left == ()
        assert hunter.killed == kills, f"seed {seed}: {hunter.killed} kills"
        return came_out(place, bot, hunter)


def happened(one: Told) -> list[tuple[object, ...]]:
    """What happened, without what this lab's disk measured."""
    steps = [
        (e.kind, e.actor.shown, e.data.get("path"), e.data.get("status"), e.data.get("answer"))
        for e in one.events
    ]
    return [(key, kind, *rest) for (kind, *rest), (key, *_) in zip(steps, one.recorded, strict=True)]


def cured_the_same(tmp_path: Path, kills: int, seed: int) -> None:
    able, why = labs.can_mount(tempfile.gettempdir())
    if not able:
        pytest.skip(f"needs root and loop devices: {why}")
    quiet, hunted = cured(tmp_path / "quiet", 0, seed), cured(tmp_path / "hunted", kills, seed)
    assert happened(hunted) == happened(quiet), f"seed {seed}"
    assert hunted.folds == quiet.folds, f"seed {seed}"


@pytest.mark.lab
def test_a_full_disk_is_cured_all_the_same_by_a_bot_that_is_killed(tmp_path: Path) -> None:
    cured_the_same(tmp_path, 6, random.randrange(1 << 30))


@pytest.mark.lab
@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5))
def test_a_full_disk_is_cured_all_the_same_by_a_bot_that_is_killed_twenty_times(
    tmp_path: Path, seed: int
) -> None:
    cured_the_same(tmp_path, KILLS, seed)
