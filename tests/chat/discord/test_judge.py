"""The judge of bodies: what Discord takes passes, what it refuses fails, with and without the published schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from tests.chat.discord import judge, overlay
from tests.chat.discord.cut import CUT
from tests.chat.discord.real import bare
from tests.chat.discord.server import Discord

MESSAGE = "POST /channels/{channel}/messages"
EDIT = "PATCH /channels/{channel}/messages/{message}"
CALLBACK = "POST /interactions/{interaction}/{token}/callback"
FOLLOWUP = "POST /webhooks/{app}/{token}"
THREAD = "POST /channels/{channel}/messages/{message}/threads"
CHANNEL = "PATCH /channels/{channel}"
COMMANDS = "PUT /applications/{app}/guilds/{guild}/commands"
PATHS = {
    MESSAGE: "/channels/1/messages",
    EDIT: "/channels/1/messages/2",
    CALLBACK: "/interactions/1/token/callback",
    FOLLOWUP: "/webhooks/1/token",
    THREAD: "/channels/1/messages/2/threads",
    CHANNEL: "/channels/1",
    COMMANDS: "/applications/1/guilds/2/commands",
}
Body = Any


def button(custom_id: str = "a", label: str = "Go", **more: Any) -> Body:
    return {"type": 2, "style": 1, "custom_id": custom_id, "label": label, **more}


def row(*inside: Body) -> Body:
    return {"type": 1, "components": list(inside)}


def rows(*inside: Body) -> Body:
    return {"content": "x", "components": [row(*inside)]}


def menu(count: int = 2, **more: Any) -> Body:
    options = [{"label": f"l{number}", "value": f"v{number}"} for number in range(count)]
    return {"type": 3, "custom_id": "menu", "options": options, **more}


def modal(*parts: Body, **more: Any) -> Body:
    inside = list(parts) or [field()]
    return {"type": 9, "data": {"custom_id": "form", "title": "Declare", "components": inside, **more}}


def field(custom_id: str = "title", label: str = "Title", **more: Any) -> Body:
    return {"type": 18, "label": label, "component": {"type": 4, "custom_id": custom_id, "style": 1, **more}}


def command(**more: Any) -> Body:
    return {"name": "inc", "description": "Incidents", **more}


def option(name: str = "title", kind: int = 3, **more: Any) -> Body:
    return {"name": name, "type": kind, "description": "One", **more}


def text_display(text: str = "x") -> Body:
    return {"type": 10, "content": text}


def v2(*parts: Body, **more: Any) -> Body:
    return {"flags": 1 << 15, "components": list(parts), **more}


def big() -> Body:
    """A command of more than 8,000 characters that keeps to every other limit."""
    choices = [
        {"name": f"{number:02}" + "n" * 90, "value": f"{number:02}" + "v" * 90} for number in range(25)
    ]
    return command(options=[option(f"o{number}", choices=choices) for number in range(2)])


FINE: list[tuple[str, Body]] = [
    (
        MESSAGE,
        {"content": "x" * 2000, "nonce": "n" * 25, "enforce_nonce": True, "allowed_mentions": {"parse": []}},
    ),
    (MESSAGE, {"content": "x", "allowed_mentions": {"parse": [], "users": ["1", 2]}, "flags": 4}),
    (MESSAGE, {"embeds": [{"title": "x" * 256, "description": "y" * 4096, "color": 0xFFFFFF}]}),
    (MESSAGE, {"embeds": [{"fields": [{"name": "n", "value": "v", "inline": True}] * 25}]}),
    (MESSAGE, {"content": "x", "message_reference": {"message_id": "1", "fail_if_not_exists": False}}),
    (MESSAGE, rows(*(button(str(number)) for number in range(5)))),
    (MESSAGE, rows(menu(25, max_values=25, placeholder="p" * 150))),
    (MESSAGE, rows({"type": 2, "style": 5, "url": "https://example.org", "label": "Docs"})),
    (MESSAGE, rows(button(label="", emoji={"name": "📌"}))),
    (MESSAGE, v2({"type": 17, "components": [text_display(), row(button())], "accent_color": 1})),
    (MESSAGE, v2({"type": 9, "components": [text_display()], "accessory": button()}, {"type": 14})),
    (EDIT, {"content": None, "embeds": [{"title": "x"}], "components": []}),
    (EDIT, {}),
    (CALLBACK, {"type": 4, "data": {"content": "x", "flags": 64, "components": [row(button())]}}),
    (CALLBACK, {"type": 5, "data": {"flags": 64}}),
    (CALLBACK, {"type": 5}),
    (CALLBACK, {"type": 6}),
    (CALLBACK, {"type": 7, "data": {"content": "x", "components": []}}),
    (CALLBACK, {"type": 8, "data": {"choices": [{"name": "n" * 100, "value": "v" * 100}] * 25}}),
    (CALLBACK, modal(*(field(str(number), max_length=4000) for number in range(5)))),
    (
        CALLBACK,
        modal({"type": 18, "label": "x" * 45, "description": "y" * 100, "component": menu(required=False)}),
    ),
    (CALLBACK, modal(row({"type": 4, "custom_id": "a", "style": 2, "label": "x", "required": False}))),
    (FOLLOWUP, {"content": "x", "flags": 64, "allowed_mentions": {"parse": []}}),
    (THREAD, {"name": "x" * 100, "auto_archive_duration": 1440}),
    (CHANNEL, {"archived": False, "locked": True}),
    (CHANNEL, {"topic": "x" * 1024}),
    (COMMANDS, [command(), {"name": "Add to timeline", "type": 3}]),
    (COMMANDS, [command(options=[option(str(number), required=number < 3) for number in range(25)])]),
    (COMMANDS, [command(options=[option("tl", 2, options=[option("note", 1, options=[option()])])])]),
    (
        COMMANDS,
        [command(options=[option(choices=[{"name": "a", "value": "b"}])], default_member_permissions="0")],
    ),
    (COMMANDS, [command(options=[option(kind=4, min_value=1, max_value=5, autocomplete=True)])]),
]
WRONG: list[tuple[str, Body, str]] = [
    (MESSAGE, {"content": "x" * 2001}, "content: Must be 2000 or fewer in length. (BASE_TYPE_MAX_LENGTH)"),
    (MESSAGE, {}, "EMPTY_MESSAGE"),
    (MESSAGE, {"content": " \n"}, "EMPTY_MESSAGE"),
    (MESSAGE, {"embeds": [{}]}, "EMPTY_MESSAGE"),
    (MESSAGE, {"content": "x", "nonce": "n" * 26}, "nonce"),
    (MESSAGE, {"content": "x", "colour": 1}, "colour: There is no such field"),
    (MESSAGE, {"content": "x", "flags": 64}, "flags"),
    (MESSAGE, {"content": 7}, "STRING_TYPE_CONVERT"),
    (MESSAGE, ["x"], "DICT_TYPE_CONVERT"),
    (MESSAGE, {"embeds": [{"title": "x"}] * 11}, "embeds"),
    (MESSAGE, {"embeds": [{"title": "x" * 257}]}, "embeds.0.title"),
    (MESSAGE, {"embeds": [{"description": "x" * 4097}]}, "embeds.0.description"),
    (
        MESSAGE,
        {"embeds": [{"description": "x" * 3000}, {"description": "y" * 3001}]},
        "MAX_EMBED_SIZE_EXCEEDED",
    ),
    (MESSAGE, {"embeds": [{"fields": [{"name": "n", "value": "v"}] * 26}]}, "embeds.0.fields"),
    (MESSAGE, {"embeds": [{"fields": [{"name": "n" * 257, "value": "v"}]}]}, "fields.0.name"),
    (MESSAGE, {"embeds": [{"fields": [{"name": "n", "value": "v" * 1025}]}]}, "fields.0.value"),
    (MESSAGE, {"embeds": [{"fields": [{"name": "n", "value": ""}]}]}, "BASE_TYPE_REQUIRED"),
    (MESSAGE, {"embeds": [{"footer": {"text": "x" * 2049}}]}, "footer.text"),
    (MESSAGE, {"embeds": [{"author": {"name": "x" * 257}}]}, "author.name"),
    (MESSAGE, {"embeds": [{"colour": 1}]}, "embeds.0.colour"),
    (MESSAGE, {"content": "x", "allowed_mentions": {"parse": ["users"], "users": ["1"]}}, "EXCLUSIVE"),
    (MESSAGE, {"content": "x", "allowed_mentions": {"parse": ["all"]}}, "allowed_mentions.parse.0"),
    (MESSAGE, rows(button("a"), button("a")), "COMPONENT_CUSTOM_ID_DUPLICATED"),
    (MESSAGE, rows(*(button(str(number)) for number in range(6))), "components.0.components"),
    (MESSAGE, rows(button("x" * 101)), "components.0.components.0.custom_id"),
    (MESSAGE, rows(button(label="x" * 81)), "components.0.components.0.label"),
    (MESSAGE, rows(button(label="")), "COMPONENT_INVALID_LABEL"),
    (MESSAGE, rows({"type": 2, "style": 1, "label": "x"}), "custom_id"),
    (MESSAGE, rows({"type": 2, "style": 5, "label": "x", "custom_id": "x"}), "url"),
    (MESSAGE, rows(menu(), button()), "COMPONENT_LAYOUT_WIDTH_EXCEEDED"),
    (MESSAGE, rows(menu(26)), "options"),
    (MESSAGE, rows(menu(0)), "options"),
    (MESSAGE, rows(menu(2, max_values=3)), "max_values"),
    (MESSAGE, rows({**menu(), "options": [{"label": "a", "value": "v"}] * 2}), "VALUE_DUPLICATED"),
    (
        MESSAGE,
        {"content": "x", "components": [row(button(str(number))) for number in range(6)]},
        "components",
    ),
    (MESSAGE, {"content": "x", "components": [button()]}, "components.0.type"),
    (MESSAGE, {"content": "x", "components": [text_display()]}, "components.0.type"),
    (MESSAGE, v2(text_display(), content="x"), "LEGACY_FIELDS"),
    (MESSAGE, v2(text_display(), embeds=[{"title": "x"}]), "LEGACY_FIELDS"),
    (MESSAGE, v2(*(text_display() for _ in range(41))), "components"),
    (MESSAGE, v2(text_display("x" * 2000), text_display("x" * 2001)), "TEXT_SIZE_EXCEEDED"),
    (EDIT, {"content": "x" * 2001}, "content"),
    (EDIT, {"nonce": "x"}, "nonce"),
    (CALLBACK, {"type": 99}, "type"),
    (CALLBACK, {"type": 4}, "data"),
    (CALLBACK, {"type": 4, "data": {}}, "EMPTY_MESSAGE"),
    (CALLBACK, {"type": 4, "data": {"content": "x" * 2001}}, "data.content"),
    (CALLBACK, {"type": 5, "data": {"content": "x"}}, "data.content"),
    (CALLBACK, {"type": 6, "data": {"flags": 64}}, "data"),
    (CALLBACK, {"type": 8, "data": {"choices": [{"name": "a", "value": "b"}] * 26}}, "data.choices"),
    (CALLBACK, {"type": 8, "data": {"choices": [{"name": "a" * 101, "value": "b"}]}}, "choices.0.name"),
    (CALLBACK, {"type": 8, "data": {"choices": [{"name": "a", "value": "b" * 101}]}}, "choices.0.value"),
    (CALLBACK, modal(title="x" * 46), "data.title"),
    (CALLBACK, modal(*(field(str(number)) for number in range(6))), "data.components"),
    (CALLBACK, modal(field(), field()), "COMPONENT_CUSTOM_ID_DUPLICATED"),
    (CALLBACK, modal(field(label="x" * 46)), "data.components.0.label"),
    (CALLBACK, modal(field(max_length=4001)), "max_length"),
    (CALLBACK, modal(field(min_length=5, max_length=4)), "min_length"),
    (CALLBACK, modal(field(max_length=4, value="xxxxx")), "value"),
    (CALLBACK, modal(row(button())), "data.components.0.components.0.type"),
    (FOLLOWUP, {}, "EMPTY_MESSAGE"),
    (THREAD, {"name": "x" * 101}, "name"),
    (THREAD, {}, "name"),
    (THREAD, {"name": "x", "auto_archive_duration": 61}, "auto_archive_duration"),
    (CHANNEL, {"topic": "x" * 1025}, "topic"),
    (COMMANDS, [command(name="Inc")], "0.name"),
    (COMMANDS, [command(name="x" * 33)], "0.name"),
    (COMMANDS, [command(name="a b")], "0.name"),
    (COMMANDS, [command(description="")], "0.description"),
    (COMMANDS, [command(description="x" * 101)], "0.description"),
    (COMMANDS, [command(options=[option(str(number)) for number in range(26)])], "0.options"),
    (COMMANDS, [command(options=[option("a"), option("a")])], "NAME_DUPLICATE"),
    (COMMANDS, [command(options=[option("a"), option("b", required=True)])], "REQUIRED_INVALID"),
    (COMMANDS, [command(options=[option("a", 1), option("b")])], "TYPE_INVALID"),
    (COMMANDS, [command(options=[option("a", 1, options=[option("b", 1)])])], "0.options.0.options.0.type"),
    (
        COMMANDS,
        [command(options=[option("a", 2, options=[option("b", 2, options=[])])])],
        "options.0.options.0",
    ),
    (COMMANDS, [command(options=[option(choices=[{"name": "a", "value": "b"}] * 26)])], "choices"),
    (
        COMMANDS,
        [command(options=[option(choices=[{"name": "a", "value": "b"}], autocomplete=True)])],
        "CHOICES",
    ),
    (COMMANDS, [command(options=[option(kind=6, autocomplete=True)])], "autocomplete"),
    (COMMANDS, [big()], "APPLICATION_COMMAND_TOO_LARGE"),
    (COMMANDS, [{"name": "x" * 33, "type": 3}], "0.name"),
    (COMMANDS, [{"name": "x", "type": 3, "description": "y"}], "0.description"),
]


@pytest.mark.parametrize(("route", "body"), FINE)
def test_what_discord_takes_passes_the_overlay(route: str, body: Body) -> None:
    assert overlay.mistakes(route, body) == []


@pytest.mark.parametrize(("route", "body", "reason"), WRONG)
def test_what_discord_refuses_fails_the_overlay_and_says_where(route: str, body: Body, reason: str) -> None:
    found = [str(one) for one in overlay.mistakes(route, body)]
    assert any(reason in one for one in found), found


def test_ten_files_are_the_most() -> None:
    assert overlay.mistakes(MESSAGE, {}, files=10) == []
    assert overlay.mistakes(MESSAGE, {}, files=11) != []


def test_the_version_of_an_edited_messages_components_is_known() -> None:
    body = {"components": [text_display()]}
    assert overlay.mistakes(EDIT, body) != []
    assert overlay.mistakes(EDIT, body, flags=1 << 15) == []
    assert overlay.mistakes(EDIT, {"content": "x"}, flags=1 << 15) != []


KEYS = some.sampled_from(
    ["type", "data", "content", "embeds", "components", "component", "options", "choices", "name", "value", "style",
     "custom_id", "label", "description", "flags", "fields", "allowed_mentions", "parse", "nonce", "min_values"]
)  # fmt: skip
ANY_JSON = some.recursive(
    some.none() | some.booleans() | some.integers(-1, 20) | some.text(max_size=3),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(route=some.sampled_from(sorted(overlay.BODIES)), body=ANY_JSON)
def test_any_json_is_judged_and_every_mistake_has_its_words(route: str, body: Body) -> None:
    for one in overlay.mistakes(route, body, files=0, flags=1 << 15):
        assert one.code and one.text


@pytest.fixture(scope="module", params=["kept", "whole"])
def schema(request: pytest.FixtureRequest) -> judge.Published:
    """The part that is kept here, and the whole where it lies beside the repository."""
    whole = request.param == "whole" and judge.PUBLISHED.exists()
    return judge.Published(judge.PUBLISHED if whole else CUT)


@pytest.mark.parametrize(("route", "body"), FINE)
def test_what_discord_takes_passes_the_published_schema(
    schema: judge.Published, route: str, body: Body
) -> None:
    assert schema.mistakes(route.split()[0], PATHS[route], body) == []


@pytest.mark.parametrize(
    ("route", "body", "where"),
    [
        (MESSAGE, {"content": "x" * 4001}, "content"),
        (MESSAGE, {"embeds": [{"title": "x" * 257}]}, "embeds.0.title"),
        (MESSAGE, {"content": "x", "nonce": "n" * 26}, "nonce"),
        (MESSAGE, rows(button("x" * 101)), "components.0.components.0.custom_id"),
        (CALLBACK, {"type": 4, "data": {"content": "x" * 2001}}, "data.content"),
        (CALLBACK, modal(title="x" * 46), "data.title"),
        (COMMANDS, [command(options=[option(description="")])], "0.options.0.description"),
    ],
)
def test_the_published_schema_names_the_field_and_not_the_branch(
    schema: judge.Published, route: str, body: Body, where: str
) -> None:
    assert [one.path for one in schema.mistakes(route.split()[0], PATHS[route], body)] == [where]


def test_what_the_published_schema_lets_through_is_what_the_overlay_is_for(schema: judge.Published) -> None:
    through = [
        {"content": "x" * 2001},
        {},
        rows(button("a"), button("a")),
        {"embeds": [{"description": "x" * 3000}, {"description": "y" * 3001}]},
        {"content": "x", "colour": 1},
    ]
    for body in through:
        assert schema.mistakes("POST", PATHS[MESSAGE], body) == []
        assert overlay.mistakes(MESSAGE, body) != []


def test_literal_paths_are_matched_before_templated_ones(schema: judge.Published) -> None:
    original = "/webhooks/{webhook_id}/{webhook_token}/messages/@original"
    assert schema.template("PATCH", "/webhooks/1/token/messages/@original") == original
    assert schema.template("PATCH", "/webhooks/1/token/messages/2") == original.replace(
        "@original", "{message_id}"
    )
    assert schema.template("GET", "/channels/1/messages/pins") == "/channels/{channel_id}/messages/pins"
    assert schema.template("POST", "/nothing") is None


@pytest.fixture
def server() -> Iterator[Discord]:
    with Discord() as running:
        yield running


def test_a_wrong_body_is_answered_as_discord_does_and_kept(server: Discord) -> None:
    path = f"/channels/{server.channel}/messages"
    reply = bare(server, "POST", path, {"embeds": [{"title": "x" * 257}]})
    assert (reply.status, reply.code) == (400, 50035)
    wrong = reply.body["errors"]["embeds"]["0"]["title"]["_errors"]
    assert wrong == [{"code": "BASE_TYPE_MAX_LENGTH", "message": "Must be 256 or fewer in length."}]
    assert bare(server, "POST", path, {}).code == 50006
    assert [(one.method, one.path) for one in server.wrong] == [("POST", path)] * 2
    assert server.messages() == []


def test_both_judge_where_both_are_there(server: Discord, schema: judge.Published) -> None:
    body = {"content": "x", "poll": {"question": 1}}
    assert overlay.mistakes(MESSAGE, body) == []
    assert bare(server, "POST", f"/channels/{server.channel}/messages", body).code == 50035
    server.judge.published = None
    assert bare(server, "POST", f"/channels/{server.channel}/messages", body).status == 200


def test_a_body_that_is_no_json_is_refused_before_it_is_judged(server: Discord) -> None:
    path = f"/channels/{server.channel}/messages"
    assert bare(server, "POST", path, {"content": "x"}).status == 200
    reply = bare(server, "POST", path, "x")
    assert reply.code == 50035
