"""The people outside are to hear of it: the bot records the reminder, once, and calls who is to write."""

from __future__ import annotations

from incidents.store import open_store
from tests.stories.bot import served
from tests.stories.scene import Scene, until


def test_who_is_to_write_is_called_in_the_thread_once(scene: Scene) -> None:
    with served(scene) as (bot, discord):
        nova = discord.person("nova")
        scene.runbook(f"people:\n  ada: {{discord: '{nova.id}', unix: nova}}\n", "howdah.yaml")
        scene.ok("declare", "the disk is full", "--sev", "1", "--at", "-31m")

        def called() -> list[dict[str, object]]:
            lines = discord.messages(bot.thread())
            return [one for one in lines if "an update to the people outside is due" in str(one["content"])]

        (line,) = until(called, "the reminder")
        assert [one["id"] for one in line["mentions"]] == [nova.id]  # type: ignore[attr-defined]
        nova.slash("inc update", text="we are on it", channel=bot.thread()).wait()
        bot.kill()
        bot.start()
        nova.slash("inc note", text="after", channel=bot.thread()).wait()
        until(lambda: any("after" in text for text in bot.lines()), "the note")
        assert len(called()) == 1
        with open_store(scene.store) as store:
            assert [event.kind for event in store.events("inc-1")].count("reminder.due") == 1
        assert discord.wrong == []
