"""Who does something in Discord, and with what words: who may, who is who, what is typed, what is shown to whom."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from incidents.events import Event
from incidents.store import open_store
from tests.chat.discord.person import Answer, Person
from tests.chat.discord.server import Discord
from tests.stories.bot import JSON, Bot, labels, served
from tests.stories.scene import Scene, until

CURE = """\
name: cure
description: Cures what is ill
inputs:
  who: {type: string, required: true, help: The host that is ill}
  how: {type: choice, options: [gently, firmly], default: gently}
  force: {type: bool, default: false}
steps:
  - {id: look, effect: read, run: [echo, "looking at ${{ inputs.who }}"]}
  - {id: cure, name: Cure it, confirm: "Cure ${{ inputs.who }}?", timeout: 20s, run: "echo cured >> 'ACTS'"}
"""
SEVEN = (
    "name: seven\ninputs:\n"
    + "".join(f"  n{number}: {{type: string, required: true}}\n" for number in range(1, 8))
    + """\
steps:
  - run: "echo $IN_N1 $IN_N7 >> 'ACTS'"
"""
)
SECRET = """\
name: secret
inputs:
  token: {type: secret, required: true}
steps:
  - {effect: read, run: [echo, hello]}
"""
GUARDED = """\
name: guarded
allow: [steward]
steps:
  - {run: "echo cured >> 'ACTS'"}
"""
BOOKS = {"cure": CURE, "seven": SEVEN, "secret": SECRET, "guarded": GUARDED}


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


def stream(place: Scene, name: str = "inc-1") -> list[Event]:
    with open_store(place.store) as store:
        return list(store.events(name))


def said(place: Scene, name: str = "inc-1") -> list[tuple[str, str, str]]:
    """(kind, who, text) of an incident."""
    return [(one.kind, one.actor.shown, one.body) for one in stream(place, name)]


def alone(answer: Answer) -> str:
    """What the person alone reads."""
    answer.wait()
    assert answer.ephemeral and not answer.failed
    return answer.text


def fields(answer: Answer) -> dict[str, dict[str, Any]]:
    """The fields of a form by their labels."""
    modal = answer.wait().modal
    assert modal is not None, answer
    return {str(one["label"]): one["component"] for one in modal["components"]}


# -- who may


def test_what_a_role_is_needed_for_is_refused_alone_and_recorded_once(
    scene: Scene, bot: Bot, discord: Discord, nova: Person
) -> None:
    robin = discord.person("robin")
    nova.slash("inc declare", title="the disk is full").wait()
    card = bot.card()
    scene.runbook(
        f"people:\n  ada: {{discord: {nova.id}, roles: [responder]}}\npermissions: {{respond: [responder]}}\n",
        "howdah.yaml",
    )
    before = stream(scene)
    shown = discord.text(bot.thread())
    refused = robin.slash("inc note", text="let me in")
    discord.deliver_again(refused)
    assert "@robin may not note: permissions.respond gives it to responder" in alone(refused)
    assert "@robin may not role" in alone(robin.click(card, "Take command"))
    form = robin.click(card, "Note").wait()
    typed = alone(robin.submit(form, {"Text": "let me in by the form"}))
    assert "may not note" in typed and "let me in by the form" in typed
    barred = alone(nova.slash("run start", runbook="guarded"))
    assert "ada may not run guarded: its allow gives it to steward" in barred.replace("\\`", "").replace(
        "`", ""
    )
    assert stream(scene) == before
    assert discord.text(bot.thread()) == shown
    refusals = [one for one in stream(scene, "system") if one.kind == "system.refused"]
    told = [(one.actor.shown, one.data["command"]) for one in refusals]
    assert told == [("@robin", "note"), ("@robin", "role"), ("@robin", "note"), ("ada", "run")]
    bot.kill()
    bot.start()
    discord.deliver_again(refused)
    assert "inc-1 #2" in alone(nova.slash("inc note", text="allowed"))
    assert len([one for one in stream(scene, "system") if one.kind == "system.refused"]) == 4


def test_people_have_the_names_that_the_configuration_gives_their_accounts(
    scene: Scene, bot: Bot, discord: Discord, nova: Person
) -> None:
    robin = discord.person("robin")
    scene.runbook(f"people:\n  ada: {{discord: {nova.id}, name: Ada L}}\n", "howdah.yaml")
    nova.slash("inc declare", title="the disk is full").wait()
    robin.slash("inc note", text="I see it too").wait()
    nova.slash("inc role", role="commander", person="me").wait()
    robin.slash("inc role", role="scribe", person="me").wait()
    nova.slash("inc role", role="comms", person=robin.mention).wait()
    robin.slash("inc role", role="lead", person=f"<@!{nova.id}>").wait()
    beside = alone(nova.slash("inc role", role="helper", person="grace"))
    assert "helper" in beside and "grace is not in people" in beside
    assert [who for _, who, _ in said(scene)] == ["ada", "@robin", "ada", "@robin", "ada", "@robin", "ada"]
    roles = {one.data["role"]: one.data["person"] for one in stream(scene) if one.kind == "role.assigned"}
    assert roles == {
        "commander": "ada", "scribe": "@robin", "comms": f"discord:{robin.id}", "lead": "ada", "helper": "grace"
    }  # fmt: skip
    until(lambda: len(bot.lines()) == 7, "all lines")
    lines = "\n".join(bot.lines())
    assert "ada" in lines and "robin" in lines
    timeline = scene.ok("timeline")
    assert "ada" in timeline and "@robin" in timeline
    for one in discord.messages(bot.thread()):
        assert not one.get("mentions"), "nobody is called who was only named"


# -- too late for an answer


def test_an_interaction_that_waited_too_long_is_done_once_and_told_in_the_channel(
    scene: Scene, bot: Bot, discord: Discord, nova: Person
) -> None:
    nova.slash("inc declare", title="the disk is full").wait()
    thread = bot.thread()
    discord.world.settings.first_answer_s = 0.5
    discord.fault("POST", "/callback", delay=0.8)
    late = nova.slash("inc note", text="said before a slow answer", channel=thread)
    discord.deliver_again(late)
    calls = until(lambda: calling(discord, thread, nova), "the answer in the thread")
    assert late.failed
    discord.world.settings.first_answer_s = 3.0
    discord.fault("PATCH", "/messages/@original", code=50027)
    nova.slash("inc postmortem", channel=thread)
    until(lambda: len(calling(discord, thread, nova)) == 2, "the other answer")
    assert [body for kind, _, body in said(scene) if kind == "note"] == ["said before a slow answer"]
    assert len(calls) == 1
    last = calling(discord, thread, nova)[-1]
    assert names(last) == ["postmortem-inc-1.md"]


def test_an_answer_that_discord_does_not_take_as_it_is_drawn_comes_in_plain_words(
    scene: Scene, bot: Bot, discord: Discord, nova: Person
) -> None:
    nova.slash("inc declare", title="the disk is full").wait()
    discord.fault("PATCH", "/messages/@original", code=50035)
    assert "the disk is full" in alone(nova.slash("inc status"))


def calling(discord: Discord, channel: str, person: Person) -> list[JSON]:
    """The messages in a channel that call this person."""
    return [one for one in discord.messages(channel) if person.id in [str(p["id"]) for p in one["mentions"]]]


def names(message: dict[str, Any]) -> list[str]:
    """What the files of a message are called."""
    return [str(one["filename"]) for one in message["attachments"]]


# -- what is typed

FENCES = "```\nrm -rf /\n``` @everyone @here <@&12345678901234567> <@1234567890123456789> \u202e [x](http://x)\n# big\n"


def test_what_is_long_or_hostile_is_shown_whole_as_a_file_and_calls_nobody(
    scene: Scene, bot: Bot, discord: Discord, nova: Person
) -> None:
    nova.slash("inc declare", title="the disk is full").wait()
    thread = bot.thread()
    form = nova.slash("inc note", channel=thread).wait()
    text = (FENCES * 40)[:4000]
    assert "inc-1 #2" in alone(nova.submit(form, {"Text": text}))
    snow = "\N{SNOWMAN}" * 80
    lines = [f"line {number} {snow} {FENCES}" for number in range(310)]
    long = "".join(lines)
    assert 100_000 < len(long.encode()) < 130_000
    scene.ok("note", long)
    until(lambda: any("#3" in line for line in bot.lines()), "the last line")
    until(lambda: files(discord, thread), "a file")
    assert stream(scene)[1].body == text.strip()
    whole = [content.decode() for content in files(discord, thread)]
    assert any(all(f"line {number} {snow}" in one for number in range(310)) for one in whole)
    answer = nova.slash("run start", runbook="cure", inputs=f"who={'x' * 5000} how=gently", channel=thread)
    assert "has begun" in alone(answer)
    message = bot.run_message(scene.run(), button="Confirm")
    alone(nova.click(message, "Confirm"))
    scene.wait_for("run.ended", status="ok")
    for channel in (discord.channel, thread):
        for one in discord.messages(channel):
            assert not one["mentions"] and not one["mention_roles"] and not one["mention_everyone"]


def files(discord: Discord, channel: str) -> list[bytes]:
    """What is attached to the bot's messages in a channel."""
    kept = {key: data for (key, _), data in discord.world.files.items()}
    return [kept[str(file["id"])] for one in discord.messages(channel) for file in one["attachments"]]


def test_a_runbook_that_is_unknown_or_a_file_and_a_secret_that_is_typed_are_refused(
    scene: Scene, bot: Bot, discord: Discord, nova: Person
) -> None:
    nova.slash("inc declare", title="the disk is full").wait()
    for name in ("../runbooks/cure", "runbooks/cure.yaml", "CURE.YML"):
        assert "is a file; in a chat a runbook is named" in alone(nova.slash("run start", runbook=name))
    assert "cure" in alone(nova.slash("run start", runbook="cur"))
    form = nova.slash("run start", runbook="secret").wait()
    refused = alone(nova.submit(form, {"token": "prompt"}))
    assert "cannot be typed in a chat" in refused and "env:NAME or file:/PATH" in refused
    hidden = alone(nova.submit(form, {"token": "hunter2-is-my-password"}))
    assert "hunter2" not in hidden
    direct = alone(nova.slash("run start", runbook="secret", inputs="token=prompt"))
    assert "cannot be typed in a chat" in direct
    assert scene.runs() == []


def test_seven_inputs_are_two_pages_that_a_death_between_them_does_not_lose(
    scene: Scene, bot: Bot, nova: Person
) -> None:
    nova.slash("inc declare", title="the disk is full").wait()
    first = nova.slash("run start", runbook="seven", drill=True)
    assert list(fields(first)) == ["n1", "n2", "n3", "n4", "n5"]
    between = nova.submit(first, {f"n{number}": f"v{number}" for number in range(1, 6)}).wait()
    assert between.ephemeral and "Next page" in [button["label"] for button in buttons(between)]
    bot.kill()
    bot.start()
    second = nova.click(between, "Next page")
    assert list(fields(second)) == ["n6", "n7"]
    bot.kill()
    bot.start()
    begun = alone(nova.submit(second, {"n6": "v6", "n7": "v7"}))
    assert "has begun in" in begun
    scene.wait_for("run.ended", status="ok")
    assert scene.acts() == ["v1", "v7"]
    start = scene.wait_for("run.started")
    assert (start.stream, start.mode) == ("inc-2", "drill"), "a drill is no run of a real incident"
    assert dict(start.data["inputs"]) == {f"n{n}": f"v{n}" for n in range(1, 8)}
    assert scene.incidents()["inc-1"] == "investigating"


def buttons(answer: Answer) -> list[JSON]:
    return [one for row in answer.message["components"] for one in row["components"]]


def test_a_flag_beside_a_form_is_kept(scene: Scene, bot: Bot, nova: Person) -> None:
    form = nova.slash("inc declare", drill=True, sev="sev1")
    assert "Title" in fields(form)
    alone(nova.submit(form, {"Title": "an exercise"}))
    (declared,) = stream(scene)
    assert (declared.mode, declared.data["severity"]) == ("drill", "sev1")


# -- several incidents


def test_of_several_incidents_the_threads_own_is_meant_and_elsewhere_one_is_named(
    scene: Scene, bot: Bot, nova: Person
) -> None:
    nova.slash("inc declare", title="the disk is full").wait()
    nova.slash("inc declare", title="uploads fail").wait()
    asked = alone(nova.slash("inc note", text="which one?"))
    assert "2 incidents are open" in asked and "incident:inc-" in asked
    assert "inc-1" in asked and "uploads fail" in asked
    nova.slash("inc note", text="named", incident="inc-1").wait()
    nova.slash("inc note", text="in its thread", channel=bot.thread("inc-2")).wait()
    form = nova.slash("inc note")
    chosen = fields(form)["Incident"]
    assert [one["value"] for one in chosen["options"]] == ["inc-2", "inc-1"]
    alone(nova.submit(form, {"Text": "chosen", "Incident": "inc-1"}))
    assert [body for _, _, body in said(scene, "inc-1")] == ["", "named", "chosen"]
    assert [body for _, _, body in said(scene, "inc-2")] == ["", "in its thread"]
    assert "uploads fail" in alone(nova.slash("inc status", channel=bot.thread("inc-2")))


# -- completion, and what only reads


def test_what_is_typed_is_completed(scene: Scene, bot: Bot, discord: Discord, nova: Person) -> None:
    scene.runbook(f"people:\n  ada: {{discord: {nova.id}}}\n  grace: {{}}\n", "howdah.yaml")
    nova.slash("inc declare", title="the disk is full").wait()
    nova.slash("inc declare", title="uploads fail").wait()

    def offered(path: str, option: str, text: str, **more: Any) -> list[str]:
        return [str(one["value"]) for one in nova.autocomplete(path, option, text, **more)]

    assert offered("inc note", "incident", "") == ["inc-2", "inc-1"]
    assert offered("inc note", "incident", "disk") == ["inc-1"]
    assert offered("inc role", "person", "") == ["me", "ada", "grace"]
    assert offered("inc role", "person", "gr") == ["grace"]
    assert offered("run start", "runbook", "cu") == ["cure"]
    assert "cure" in offered("run start", "runbook", "ill")
    assert offered("run start", "inputs", "", runbook="cure") == ["who=", "how=", "force="]
    assert offered("run start", "inputs", "who=db1 how=", runbook="cure") == [
        "who=db1 how=gently", "who=db1 how=firmly",
    ]  # fmt: skip
    assert offered("run start", "inputs", "who=db1 force=", runbook="cure")[0] == "who=db1 force=false"
    nova.slash("run start", runbook="cure", inputs="who=db1", channel=bot.thread("inc-1")).wait()
    scene.wait_for("question.asked")
    assert offered("run confirm", "step", "") == ["cure"]
    assert offered("run abort", "run", "") == [scene.run()]
    assert offered("run done", "step", "") == []


def test_reads_are_for_the_reader_alone_and_change_nothing(
    scene: Scene, bot: Bot, discord: Discord, nova: Person
) -> None:
    nova.slash("inc declare", title="the disk is full").wait()
    nova.slash("inc note", text="it is hot").wait()
    thread = bot.thread()
    until(lambda: len(bot.lines()) == 2, "both lines")
    shown = [discord.text(discord.channel), discord.text(thread)]
    before = [stream(scene), stream(scene, "system")]
    reads: tuple[tuple[str, dict[str, Any]], ...] = (
        ("inc status", {}), ("inc list", {}), ("inc show", {}), ("inc timeline", {}), ("run runbook list", {}),
        ("run runbook show", {"runbook": "cure"}), ("run plan", {"runbook": "cure", "inputs": "who=db1"}),
    )  # fmt: skip
    for path, more in reads:
        answer = nova.slash(path, channel=thread, **more)
        assert alone(answer), path
    report = nova.slash("inc postmortem", channel=thread)
    alone(report)
    assert names(report.message) == ["postmortem-inc-1.md"]
    assert [stream(scene), stream(scene, "system")] == before
    assert [discord.text(discord.channel), discord.text(thread)] == shown


# -- another server


def test_members_of_another_server_learn_and_change_nothing(
    scene: Scene, bot: Bot, discord: Discord, nova: Person
) -> None:
    nova.slash("inc declare", title="the disk is full").wait()
    card = bot.card()
    other = discord.add_guild("Elsewhere")
    stranger = discord.person("stranger", guild=other)
    discord.call(lambda: discord.world.commands.__setitem__(other, discord.world.commands[discord.guild]))
    note = stranger.slash("inc note", text="let me in")
    assert "another server" in alone(note)
    assert "another server" in alone(stranger.slash("inc status"))
    assert stranger.autocomplete("inc note", "incident", "") == []
    assert stranger.autocomplete("run start", "runbook", "") == []
    assert "another server" in alone(stranger.click(card, "Note"))
    assert "inc-1 #2" in alone(nova.slash("inc note", text="from here"))
    assert [kind for kind, _, _ in said(scene)] == ["incident.declared", "note"]
    assert labels(bot.card())
