"""Two bots with one token, each with a record of its own: somebody followed the set-up twice.

Discord delivers every interaction to both. One of them answers first; the other must not carry out the same.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator

import pytest

from tests.chat.discord.server import Discord
from tests.stories import scene as scenes
from tests.stories.bot import Bot, served
from tests.stories.scene import Scene, until

BOOK = """\
runbook: 1
name: once
steps:
  - {id: first, run: echo happened >> ACTS}
"""


def machine(place: Scene) -> None:
    os.mkdir(os.path.join(place.folder, "runbooks"))
    place.runbook("people: {}\n", "howdah.yaml")
    place.runbook(BOOK, "runbooks/once.yaml")


@pytest.fixture
def two(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Discord, Scene, Scene]]:
    folder = tmp_path_factory.mktemp("second")
    with scenes.scene(str(folder)) as second:
        for place in (scene, second):
            machine(place)
        with served(scene) as (bot, discord):
            other = Bot(second, discord)
            other.start()
            try:
                yield discord, scene, second
            finally:
                for one in (bot, other):
                    if one.life is not None:
                        one.kill()


def test_what_is_asked_is_carried_out_by_one_of_two_bots(two: tuple[Discord, Scene, Scene]) -> None:
    discord, first, second = two
    nova = discord.person("nova")
    nova.slash("run start", runbook="once").wait()
    until(lambda: first.acts() + second.acts(), "the act")
    for text in ("one", "two", "three"):
        assert "declared" in nova.slash("inc declare", title=text).wait().text
    assert len(first.incidents()) + len(second.incidents()) == 4
    assert first.acts() + second.acts() == ["happened"]
    assert discord.wrong == []


def test_what_was_begun_before_a_kill_and_not_recorded_is_to_be_said_again(
    scene: Scene,
) -> None:
    """The answer was taken by a process that recorded nothing: nobody can tell it from a second bot's."""
    machine(scene)
    with served(scene, first_answer_s=60.0) as (bot, discord):
        nova = discord.person("nova")
        nova.slash("inc declare", title="the disk is full").wait()
        with open(scene.store + ".lock", "rb+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            note = nova.slash("inc note", text="lost")
            discord.wait_for(lambda: note.type, 20, what="the first answer")
            bot.kill()
        bot.start()
        discord.deliver_again(note)
        assert "Say it again" in note.wait(30).text
        assert "lost" not in scene.ok("timeline")
        nova.slash("inc note", text="lost").wait()
        assert scene.ok("timeline").count("lost") == 1
