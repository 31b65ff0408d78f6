"""A role is handed over in Discord: who is to take it is called in the thread once, and says so there."""

from __future__ import annotations

from incidents.store import open_store
from tests.stories.bot import served
from tests.stories.scene import Scene, until


def test_who_is_to_take_over_is_called_and_says_so_in_the_thread(scene: Scene) -> None:
    with served(scene) as (bot, discord):
        nova = discord.person("nova")
        scene.runbook(
            f"people:\n  ada: {{discord: '{nova.id}', unix: ada}}\n  bea: {{unix: bea}}\n", "howdah.yaml"
        )
        scene.ok("declare", "the disk is full", "--sev", "1", by="bea")
        scene.ok("role", "commander", "me", by="bea")
        scene.ok("handoff", "commander", "ada", by="bea")

        def called() -> list[dict[str, object]]:
            lines = discord.messages(bot.thread())
            return [one for one in lines if "asks ada to take over commander from bea" in str(one["content"])]

        (line,) = until(called, "the mention")
        assert [one["id"] for one in line["mentions"]] == [nova.id]  # type: ignore[attr-defined]
        nova.slash("oncall handoff", what="ack", channel=bot.thread()).wait()
        until(lambda: any("ada has it" in text for text in bot.lines()), "the word that she has it")
        with open_store(scene.store) as store:
            kinds = [event.kind for event in store.events("inc-1")]
        assert kinds[-3:] == ["handoff.acknowledged", "role.assigned", "role.released"]
        assert discord.wrong == []
