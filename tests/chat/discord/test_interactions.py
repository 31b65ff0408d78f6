"""Interactions at the loopback Discord: what people type and press, the answers, and how long they may take."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import discord
import pytest

from tests.chat.discord.errors import CannotSend
from tests.chat.discord.real import Bot, bare
from tests.chat.discord.server import Discord

ROOT = Path(__file__).parents[3]
SEVERITIES = [{"name": "Severe", "value": "sev1"}, {"name": "Mild", "value": "sev2"}]
OPTIONS: list[dict[str, Any]] = [
    {"type": 3, "name": "title", "description": "What", "required": True, "min_length": 3},
    {"type": 3, "name": "sev", "description": "How bad", "choices": SEVERITIES},
    {"type": 3, "name": "runbook", "description": "Which", "autocomplete": True},
    {"type": 4, "name": "number", "description": "How many", "max_value": 5},
    {"type": 5, "name": "loud", "description": "Aloud"},
    {"type": 6, "name": "who", "description": "Whom"},
    {"type": 8, "name": "team", "description": "Which"},
    {"type": 7, "name": "channel", "description": "Where"},
    {"type": 11, "name": "file", "description": "Any"},
]
COMMANDS: list[dict[str, Any]] = [
    {
        "name": "inc",
        "description": "Incidents",
        "options": [
            {"type": 1, "name": "declare", "description": "Declares", "options": OPTIONS},
            {
                "type": 2,
                "name": "timeline",
                "description": "Entries",
                "options": [{"type": 1, "name": "note", "description": "Writes"}],
            },
        ],
    },
    {"name": "Add to timeline", "type": 3},
    {"name": "hidden", "description": "For nobody", "default_member_permissions": "0"},
]
BUTTONS = [
    {
        "type": 1,
        "components": [
            {"type": 2, "style": 1, "label": "Confirm", "custom_id": "yes"},
            {"type": 2, "style": 4, "label": "Abort", "custom_id": "no", "disabled": True},
            {"type": 2, "style": 5, "label": "Docs", "url": "https://example.org"},
        ],
    },
    {"type": 1, "components": [{"type": 5, "custom_id": "who"}]},
]
MODAL: dict[str, Any] = {
    "custom_id": "form",
    "title": "Declare",
    "components": [
        {
            "type": 18,
            "label": "Title",
            "component": {"type": 4, "custom_id": "title", "style": 1, "max_length": 20},
        },
        {
            "type": 18,
            "label": "Severity",
            "component": {
                "type": 3,
                "custom_id": "sev",
                "required": False,
                "options": [{"label": "Severe", "value": "sev1"}, {"label": "Mild", "value": "sev2"}],
            },
        },
    ],
}


@pytest.fixture
def server() -> Iterator[Discord]:
    with Discord(rate_limits=False, first_answer_s=0.5) as running:
        path = f"/applications/{running.application}/guilds/{running.guild}/commands"
        assert bare(running, "PUT", path, COMMANDS).status == 200
        yield running


def answer(server: Discord, interaction: Any, body: dict[str, Any], query: str = "") -> Any:
    """A callback of our own making."""
    path = f"/interactions/{interaction.id}/{interaction.token}/callback{query}"
    return bare(server, "POST", path, body, token=None)


def follow(server: Discord, interaction: Any, method: str, tail: str = "", body: Any = None) -> Any:
    path = f"/webhooks/{server.application}/{interaction.token}{tail}"
    return bare(server, method, path, body, token=None)


ORIGINAL = "/messages/@original"


def test_a_typed_command_reaches_the_bot_and_its_deferred_answer_is_waited_for(server: Discord) -> None:
    async def defer(interaction: discord.Interaction) -> None:
        await interaction.response.defer(ephemeral=True, thinking=True)
        await asyncio.sleep(0.05)
        await interaction.edit_original_response(content="declared", embed=discord.Embed(title="inc-1"))

    nova = server.person("nova", roles=("ops",))
    with Bot(server, defer) as bot:
        got = nova.slash("inc declare", title="disk full", sev="Severe", number=2, who=nova, loud=True).wait()
        assert (got.type, got.ephemeral, got.text) == (5, True, "declared\ninc-1")
        assert got.latency_s >= 0
        heard = bot.hearing("interaction")[0]
        assert heard.data["options"][0]["options"] == [
            {"name": "title", "type": 3, "value": "disk full"},
            {"name": "sev", "type": 3, "value": "sev1"},
            {"name": "number", "type": 4, "value": 2},
            {"name": "who", "type": 6, "value": nova.id},
            {"name": "loud", "type": 5, "value": True},
        ]
        assert heard.data["resolved"]["members"][nova.id]["roles"] == [server.role("ops")]
        assert heard.user.id == int(nova.id)
    assert server.messages() == []
    assert server.wrong == []


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("inc declare", {}),
        ("inc declare", {"title": "ab"}),
        ("inc declare", {"title": "disk", "sev": "sev3"}),
        ("inc declare", {"title": "disk", "number": 6}),
        ("inc declare", {"title": "disk", "number": "2"}),
        ("inc declare", {"title": "disk", "number": True}),
        ("inc declare", {"title": "disk", "colour": "red"}),
        ("inc declare", {"title": "disk", "who": "1"}),
        ("inc", {}),
        ("inc timeline", {}),
        ("inc resolve", {}),
        ("run", {}),
        ("hidden", {}),
    ],
)
def test_what_the_client_would_not_send_is_not_sent(
    server: Discord, path: str, options: dict[str, Any]
) -> None:
    with pytest.raises(CannotSend):
        server.person("nova").slash(path, options=options)


def test_roles_channels_and_files_are_resolved(server: Discord) -> None:
    role = server.role("ops")
    options = {"team": role, "channel": server.channel, "file": ("a.log", b"full")}
    got = server.person("nova").slash("inc declare", title="disk", options=options)
    data = got.interaction.payload["data"]
    assert set(data["resolved"]) == {"roles", "channels", "attachments"}
    assert data["resolved"]["channels"][server.channel]["name"] == "ops"


def test_completion_offers_what_the_bot_answers(server: Discord) -> None:
    async def offer(interaction: discord.Interaction) -> None:
        assert interaction.data is not None
        option: Any = interaction.data["options"][0]  # type: ignore[typeddict-item]
        typed = next(one["value"] for one in option["options"] if one.get("focused"))
        choice = discord.app_commands.Choice(name=f"{typed}-full", value="disk")
        await interaction.response.autocomplete([choice])

    with Bot(server, offer):
        offered = server.person("nova").autocomplete("inc declare", "runbook", "disk", title="x")
    assert offered == [{"name": "disk-full", "value": "disk"}]
    with pytest.raises(CannotSend):
        server.person("nova").autocomplete("inc declare", "title", "x")
    with pytest.raises(TimeoutError):
        server.person("nova").autocomplete("inc declare", "runbook", "x")


def test_buttons_and_menus_carry_their_message_and_update_it(server: Discord) -> None:
    async def update(interaction: discord.Interaction) -> None:
        assert interaction.message is not None and interaction.data is not None
        await interaction.response.edit_message(content=f"pressed {interaction.data['custom_id']}")  # type: ignore[typeddict-item]

    body = {"content": "go on?", "components": BUTTONS}
    message = bare(server, "POST", f"/channels/{server.channel}/messages", body).body["id"]
    nova = server.person("nova")
    with Bot(server, update):
        got = nova.click(message, "Confirm").wait()
        assert (got.type, server.message(message)["content"]) == (7, "pressed yes")
        nova.select(message, [nova.id]).wait()
        assert server.message(message)["content"] == "pressed who"
        for label in ("Abort", "Docs", "Retry"):
            with pytest.raises(CannotSend):
                nova.click(message, label)


def test_a_stale_card_is_pressed_as_it_was_seen(server: Discord) -> None:
    body = {"content": "go on?", "components": BUTTONS}
    seen = bare(server, "POST", f"/channels/{server.channel}/messages", body).body
    path = f"/channels/{server.channel}/messages/{seen['id']}"
    assert bare(server, "PATCH", path, {"components": []}).status == 200
    nova = server.person("nova")
    with pytest.raises(CannotSend):
        nova.click(seen["id"], "Confirm")
    assert nova.click(seen, "Confirm").interaction.payload["message"]["components"] != []


def test_a_modal_is_filled_in_and_its_limits_hold(server: Discord) -> None:
    nova = server.person("nova")
    first = nova.slash("inc declare", title="disk")
    assert answer(server, first.interaction, {"type": 9, "data": MODAL}).status == 204
    assert (first.wait().type, first.text) == (9, "Declare")
    for values in (
        {},
        {"Title": "x" * 21},
        {"Title": "x", "Severity": "none"},
        {"Title": "x", "Colour": "red"},
    ):
        with pytest.raises(CannotSend):
            nova.submit(first, values)
    sent = nova.submit(first, {"Title": "disk full", "sev": ["Mild"]})
    data = sent.interaction.payload["data"]
    assert data["custom_id"] == "form"
    fields = [one["component"] for one in data["components"]]
    assert [(one["custom_id"], one.get("value", one.get("values"))) for one in fields] == [
        ("title", "disk full"),
        ("sev", ["sev2"]),
    ]
    assert answer(server, sent.interaction, {"type": 9, "data": MODAL}).code == 50035
    assert (
        answer(server, sent.interaction, {"type": 4, "data": {"content": "done", "flags": 64}}).status == 204
    )
    assert (sent.wait().text, sent.ephemeral) == ("done", True)


def test_the_message_menu_carries_the_whole_message(server: Discord) -> None:
    nova = server.person("nova")
    message = nova.say(server.channel, "it began at 14:05")
    data = nova.menu("Add to timeline", message).interaction.payload["data"]
    assert data["resolved"]["messages"][message]["content"] == "it began at 14:05"


def test_a_first_answer_that_comes_too_late_is_unknown_and_the_person_sees_a_failure() -> None:
    with Discord() as server:
        path = f"/applications/{server.application}/commands"
        bare(server, "PUT", path, [{"name": "inc", "description": "x"}])
        got = server.person("nova").slash("inc")
        server.clock.advance(3.1)
        assert got.wait().failed
        late = answer(server, got.interaction, {"type": 5})
        assert (late.status, late.code) == (404, 10062)


def test_without_a_bot_the_person_reads_that_nothing_answered(server: Discord) -> None:
    assert server.person("nova").slash("inc declare", title="disk").wait().failed


def test_an_interaction_is_answered_once(server: Discord) -> None:
    one = server.person("nova").slash("inc declare", title="disk").interaction
    assert answer(server, one, {"type": 5}).status == 204
    again = answer(server, one, {"type": 5})
    assert (again.status, again.code) == (400, 40060)


def test_the_token_is_good_for_its_lifetime_and_not_before_the_first_answer(server: Discord) -> None:
    one = server.person("nova").slash("inc declare", title="disk").interaction
    assert follow(server, one, "POST", body={"content": "x"}).code == 10015
    assert answer(server, one, {"type": 5, "data": {"flags": 64}}).status == 204
    assert follow(server, one, "PATCH", ORIGINAL, {"content": "x"}).status == 200
    assert bare(server, "POST", f"/webhooks/{server.application}/other", {"content": "x"}).code == 10015
    server.clock.advance(901)
    old = follow(server, one, "PATCH", ORIGINAL, {"content": "y"})
    assert (old.status, old.code) == (401, 50027)


def test_a_followup_fills_the_deferred_answer_and_the_next_ones_stand_alone(server: Discord) -> None:
    got = server.person("nova").slash("inc declare", title="disk")
    answer(server, got.interaction, {"type": 5, "data": {"flags": 64}})
    first = follow(server, got.interaction, "POST", body={"content": "one", "flags": 64})
    second = follow(server, got.interaction, "POST", body={"content": "two"})
    assert first.body["id"] == got.interaction.original != second.body["id"]
    assert got.wait().text == "one\ntwo"
    assert [one["content"] for one in server.messages()] == ["two"]


def test_ephemeral_answers_are_seen_by_their_person_alone(server: Discord) -> None:
    got = server.person("nova").slash("inc declare", title="disk")
    data = {"content": "for you", "flags": 64, "components": BUTTONS}
    reply = answer(server, got.interaction, {"type": 4, "data": data}, "?with_response=true")
    assert reply.body["interaction"]["response_message_ephemeral"] is True
    shown = reply.body["resource"]["message"]["id"]
    assert bare(server, "GET", f"/channels/{server.channel}/messages/{shown}").code == 10008
    assert follow(server, got.interaction, "GET", ORIGINAL).body["content"] == "for you"
    with pytest.raises(CannotSend):
        server.person("kris").click(got, "Confirm")
    assert server.wait_for(lambda: got.wait()).message["id"] == shown
    assert follow(server, got.interaction, "DELETE", ORIGINAL).status == 204
    assert (got.text, follow(server, got.interaction, "GET", ORIGINAL).code) == ("", 10008)


def test_files_come_with_answers_followups_and_edits(server: Discord) -> None:
    def file(name: str) -> discord.File:
        return discord.File(io.BytesIO(b"the whole output"), name)

    async def send(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("cut", file=file("one.txt"), ephemeral=True)
        await interaction.followup.send(file=file("two.txt"), ephemeral=True)
        await interaction.edit_original_response(attachments=[file("three.txt")])

    with Bot(server, send):
        got = server.person("nova").slash("inc declare", title="disk")
        got.wait(until=lambda one: one.messages[0]["edited_timestamp"])
        names = [[one["filename"] for one in shown["attachments"]] for shown in got.messages]
        assert names == [["three.txt"], ["two.txt"]]
        with urllib.request.urlopen(got.message["attachments"][0]["url"], timeout=10) as response:
            assert response.read() == b"the whole output"
    assert server.wrong == []


def test_callbacks_that_do_not_fit_the_interaction_are_refused(server: Discord) -> None:
    one = server.person("nova").slash("inc declare", title="disk").interaction
    assert answer(server, one, {"type": 7, "data": {"content": "x"}}).code == 50035
    assert answer(server, one, {"type": 8, "data": {"choices": []}}).code == 50035
    assert answer(server, one, {"type": 4, "data": {"content": ""}}).code == 50006
    assert answer(server, one, {"type": 4, "data": {"content": "x"}}).status == 204


def test_the_same_event_is_delivered_again_on_demand(server: Discord) -> None:
    with Bot(server) as bot:
        got = server.person("nova").slash("inc declare", title="disk")
        server.deliver_again(got)
        server.wait_for(lambda: len(bot.hearing("interaction")) == 2)
        first, second = bot.hearing("interaction")
        assert (first.id, first.token) == (second.id, second.token)


def test_replacing_the_commands_replaces_all_of_them_and_keeps_ids_by_name(server: Discord) -> None:
    path = f"/applications/{server.application}/guilds/{server.guild}/commands"
    before = {one["name"]: one["id"] for one in server.commands()}
    assert set(before) == {"inc", "Add to timeline", "hidden"}
    after = bare(server, "PUT", path, [{"name": "inc", "description": "Again"}]).body
    assert [(one["name"], one["id"]) for one in after] == [("inc", before["inc"])]
    assert [one["name"] for one in server.commands()] == ["inc"]


def test_commands_need_their_scope_and_have_a_daily_number() -> None:
    command = {"name": "inc", "description": "x"}
    with Discord(creates_a_day=1) as server:
        path = f"/applications/{server.application}/guilds/{server.guild}/commands"
        assert bare(server, "PUT", path, [command]).status == 200
        assert bare(server, "PUT", path, [command]).status == 200
        assert bare(server, "PUT", path, [{**command, "name": "run"}]).code == 30034
        server.world.settings.commands_scope = False
        assert bare(server, "PUT", path, [command]).code == 50001


def test_the_echo_bot_answers_each_interaction_at_once() -> None:
    with Discord() as server:
        env = {**os.environ, **server.environ()}
        command = [sys.executable, "-m", "tests.chat.discord.echo"]
        echo = subprocess.Popen(command, env=env, cwd=ROOT, stderr=subprocess.DEVNULL)
        try:
            server.wait_for(lambda: server.commands(), 30)
            nova = server.person("nova")
            answers = [nova.slash("echo", text=str(number)) for number in range(50)]
            server.wait_for(lambda: all(one.type for one in answers))
            assert {(one.type, one.ephemeral) for one in answers} == {(5, True)}
        finally:
            echo.terminate()
            echo.wait(timeout=15)
