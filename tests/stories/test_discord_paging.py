"""A page in Discord: who is paged is mentioned in the thread, presses the button, and nobody else is woken."""

from __future__ import annotations

from incidents.events import Event
from incidents.store import open_store
from tests.chat.discord import permissions
from tests.chat.discord.server import Discord
from tests.stories.bot import Bot, labels, served
from tests.stories.scene import Scene, until

CONFIG = """\
people:
  hazel: {unix: hazel, discord: 'HAZEL', page: [discord]}
  nova: {unix: nova, discord: 'NOVA'}
schedules:
  infra: {layers: [{id: all, users: [hazel]}]}
escalation:
  infra: {steps: [{schedule: infra, wait: 1h}, {person: nova, wait: 1h}], severities: [sev1]}
"""


ROTA = """\
people:
  hazel: {unix: hazel, discord: 'HAZEL'}
  nova: {unix: nova, discord: 'NOVA'}
schedules:
  infra: {layers: [{id: all, users: [hazel]}]}
discord: {oncall_role: 'ROLE', oncall_schedule: infra}
"""


def events(scene: Scene, kind: str) -> list[Event]:
    with open_store(scene.store) as store:
        return [event for event in store.events("inc-1") if event.kind == kind]


def mentions(bot: Bot, discord: Discord) -> list[dict[str, object]]:
    return [one for one in discord.messages(bot.thread()) if "Acknowledge" in labels(one)]


def test_who_is_paged_is_mentioned_and_takes_it_by_a_press_once(scene: Scene) -> None:
    with served(scene) as (bot, discord):
        hazel, nova = discord.person("hazel"), discord.person("nova")
        scene.runbook(CONFIG.replace("HAZEL", hazel.id).replace("NOVA", nova.id), "howdah.yaml")
        bot.kill()
        bot.start()
        scene.ok("declare", "the disk is full", "--sev", "1")
        (message,) = until(lambda: mentions(bot, discord), "the mention")
        assert [one["id"] for one in message["mentions"]] == [hazel.id]  # type: ignore[attr-defined]
        assert "hazel is paged" in str(message["content"])
        (delivered,) = until(lambda: events(scene, "page.delivered"), "the record of it")
        assert (delivered.data["channel"], delivered.data["person"]) == ("discord", "hazel")
        hazel.click(message, "Acknowledge").wait()
        (taken,) = events(scene, "page.acknowledged")
        assert taken.actor.id == "hazel"
        late = nova.click(message, "Acknowledge").wait()
        assert "already moved on: hazel acknowledged inc-1#2" in late.text
        until(lambda: any("page #2 acknowledged" in line for line in bot.lines()), "the line for all")
        bot.kill()
        bot.start()
        nova.slash("inc note", text="after", channel=bot.thread()).wait()
        until(lambda: any("after" in line for line in bot.lines()), "the note")
        assert len(mentions(bot, discord)) == 1
        assert [one["id"] for one in discord.messages(bot.thread()) for _ in one["mentions"]] == [
            message["id"]
        ]
        assert discord.wrong == []


def test_the_words_of_on_call_work_in_the_thread(scene: Scene) -> None:
    with served(scene) as (bot, discord):
        hazel, nova = discord.person("hazel"), discord.person("nova")
        scene.runbook(CONFIG.replace("HAZEL", hazel.id).replace("NOVA", nova.id), "howdah.yaml")
        bot.kill()
        bot.start()
        nova.slash("inc declare", title="uploads fail").wait()
        nova.slash("oncall page start", target="infra", message="come", channel=bot.thread()).wait()
        until(lambda: mentions(bot, discord), "the mention")
        nova.slash("oncall escalate", channel=bot.thread()).wait()
        until(lambda: len(mentions(bot, discord)) == 2, "the next mention")
        nova.slash("oncall ack", channel=bot.thread()).wait()
        (taken,) = events(scene, "page.acknowledged")
        assert taken.actor.id == "nova"
        assert discord.wrong == []


def test_the_role_of_who_is_on_call_follows_an_override(scene: Scene) -> None:
    with served(scene) as (bot, discord):
        hazel, nova = discord.person("hazel"), discord.person("nova", ("on call",))
        role = discord.role("on call")
        guild = discord.world.guilds[discord.guild]
        mine = guild.members[discord.world.bot_id]
        guild.roles[mine.roles[0]]["position"] = 50
        mine.bits = permissions.Bits(mine.bits | permissions.MANAGE_ROLES)
        text = ROTA.replace("HAZEL", hazel.id).replace("NOVA", nova.id).replace("ROLE", role)
        scene.runbook(text, "howdah.yaml")
        bot.kill()
        bot.start()

        def holders() -> set[str]:
            return {one.id for one in guild.members.values() if role in one.roles}

        until(lambda: holders() == {hazel.id}, "the role of hazel")
        scene.ok("override", "infra", "--replace", "hazel", "--with", "nova", "--for", "8h")
        until(lambda: holders() == {nova.id}, "the role of nova")
        assert discord.wrong == []
