"""Every lack of a bot has its line, with what to click; what is fine is said to be fine."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chatops.surfaces.discord import doctor, invite
from chatops.surfaces.discord.doctor import Check
from incidents.config import Config
from incidents.config import Discord as Place
from incidents.people import People, Person
from tests.chat.discord import permissions as may
from tests.chat.discord.server import Discord
from tests.chatops.surfaces.discord.site import Page, Site

APP, GUILD, CHANNEL, NOVA = (
    "100000000000000001",
    "200000000000000002",
    "300000000000000003",
    "400000000000000004",
)


@pytest.fixture
def discord() -> Iterator[Discord]:
    with Discord() as one:
        yield one


@pytest.fixture
def site() -> Iterator[Site]:
    """A server where everything is as it should be; a test spoils one page."""
    with Site() as one:
        roles = [{"id": GUILD, "name": "@everyone", "permissions": "0", "position": 0},
                 {"id": "5", "name": "howdah", "permissions": str(invite.BITS), "position": 1, "tags": {"bot_id": APP}}]  # fmt: skip
        one.pages = {
            "/oauth2/applications/@me": [Page({"id": APP, "name": "howdah", "bot_public": False, "flags": 1 << 18})],
            "/users/@me": [Page({"id": APP, "username": "howdah"})],
            "/gateway": [Page({"url": "wss://gateway.discord.gg"})],
            "/users/@me/guilds": [Page([{"id": GUILD, "name": "Hachyderm", "owner": False}])],
            f"/applications/{APP}/guilds/{GUILD}/commands": [Page([{"name": "inc"}, {"name": "Add to timeline", "type": 3}])],
            f"/guilds/{GUILD}": [Page({"id": GUILD, "system_channel_id": CHANNEL})],
            f"/guilds/{GUILD}/roles": [Page(roles)],
            f"/guilds/{GUILD}/members/{APP}": [Page({"roles": ["5"]})],
            f"/guilds/{GUILD}/members/{NOVA}": [Page({"roles": []})],
            f"/guilds/{GUILD}/channels": [Page([channel("ops", CHANNEL)])],
            f"/channels/{CHANNEL}": [Page(channel("ops", CHANNEL))],
        }  # fmt: skip
        yield one


def channel(name: str, number: str, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "name": name,
        "type": 0,
        "guild_id": GUILD,
        "position": 0,
        "permission_overwrites": [],
        **more,
    }


NOVA_ALONE = People([Person("nova", accounts=(("discord", NOVA),))])
WHOLE = Config(
    "/etc/howdah.yaml", "", NOVA_ALONE, {"respond": ("nova",), "keep": ("nova",)}, Place(GUILD, CHANNEL)
)


def examine(site: Site, config: Config = WHOLE) -> list[Check]:
    where = f"127.0.0.1:{site.port}"
    environ = {"HOWDAH_DISCORD_API": f"http://{where}", "HOWDAH_DISCORD_GATEWAY": f"ws://{where}"}
    return doctor.examine(config, {**environ, "HOWDAH_DISCORD_TOKEN": "t0p-s3cret"})


def lacking(checks: list[Check]) -> dict[str, Check]:
    """The lacks by name, each of which says what to do and shows no token."""
    found = {check.name: check for check in checks if check.state == "lack"}
    assert all(check.do for check in found.values())
    assert not any("t0p-s3cret" in part for check in checks for part in check)
    return found


def only(checks: list[Check]) -> Check:
    found = lacking(checks)
    assert len(found) == 1, found
    return next(iter(found.values()))


# -- against the Discord that discord.py itself talks to ------------------------------------------------------------


def test_a_bot_that_has_all_is_fine(discord: Discord) -> None:
    nova = discord.person("nova")
    people = People([Person("nova", accounts=(("discord", nova.id),))])
    config = Config(
        None, "", people, {"respond": ("nova",), "keep": ("nova",)}, Place(discord.guild, discord.channel)
    )
    checks = doctor.examine(config, discord.environ())
    assert lacking(checks) == {}
    assert [check.name for check in checks if check.state == "ok"] == [
        "token", "application", "gateway", "server", "channel", "people",
    ]  # fmt: skip
    assert [check.name for check in checks if check.state == "note"] == ["message content", "commands"]
    assert not [request for request in discord.requests if request.method != "GET"], "nothing is changed"


def test_a_revoked_token_is_the_only_thing_that_is_said_of_discord(discord: Discord) -> None:
    discord.revoke_token()
    checks = doctor.examine(Config(), discord.environ())
    token = only(checks)
    assert token.says == "Discord does not accept the one in $HOWDAH_DISCORD_TOKEN"
    assert "Bot → Reset Token" in token.do
    assert {check.name for check in checks} == {"token", "permissions", "people"}


@pytest.mark.parametrize("permission", invite.LEAST, ids=lambda one: one.name)
def test_each_permission_that_is_missing_has_its_line(
    discord: Discord, permission: invite.Permission
) -> None:
    discord.permissions[discord.channel] -= permission.bit
    checks = doctor.examine(Config(discord=Place(None, discord.channel)), discord.environ())
    rights = only(checks)
    assert rights.says.startswith(
        f"{permission.label} is missing in #ops ({discord.channel}), {permission.needed}: "
    )
    assert rights.do.startswith("right-click the channel → Edit Channel → Permissions → ")
    assert rights.do.endswith(f" → turn on {permission.label}")


def test_without_a_channel_in_the_configuration_the_one_that_works_is_named(discord: Discord) -> None:
    discord.permissions[discord.channel] -= may.PIN_MESSAGES
    lacks = lacking(doctor.examine(Config(), discord.environ()))
    assert lacks["channel"].says == "the bot can work in none of the server's text channels"
    assert lacks["rights"].says.startswith(f"Pin Messages is missing in #ops ({discord.channel})")
    second = discord.add_channel("incidents")
    checks = doctor.examine(Config(), discord.environ())
    assert lacking(checks) == {}
    (place,) = [check for check in checks if check.name == "channel"]
    assert place.says.endswith(f"goes to #incidents ({second})")


def test_a_deleted_channel_is_missed_and_others_are_offered(discord: Discord) -> None:
    other = discord.add_channel("incidents")
    discord.delete_channel(discord.channel)
    place = only(doctor.examine(Config(discord=Place(None, discord.channel)), discord.environ()))
    assert place.says == f"there is no {discord.channel}, which discord.channel names"
    assert place.do == f"howdah.yaml: discord: {{channel: ID}}; it could be #incidents ({other})"


def test_a_server_that_the_bot_is_not_in_gets_the_link_for_it(discord: Discord) -> None:
    server = only(doctor.examine(Config(discord=Place("222222222222222222")), discord.environ()))
    assert server.says.startswith(
        "the bot is not in 222222222222222222, which discord.guild names; it is in Hachyderm"
    )
    assert server.do == f"add it: {invite.link(discord.application, '222222222222222222')}"


def test_of_several_servers_one_has_to_be_named(discord: Discord) -> None:
    other = discord.add_guild("Another")
    server = only(doctor.examine(Config(), discord.environ()))
    assert server.says == (f"the bot is in 2 and serves one: Hachyderm ({discord.guild}), Another ({other})")
    assert server.do == "howdah.yaml: discord: {guild: ID}"
    assert lacking(doctor.examine(Config(discord=Place(other)), discord.environ())) == {}


def test_a_bot_without_the_scope_for_commands_is_added_again() -> None:
    with Discord(commands_scope=False) as discord:
        commands = only(doctor.examine(Config(), discord.environ()))
        assert "the scope applications.commands is missing" in commands.says
        assert invite.link(discord.application, discord.guild) in commands.do


def test_the_message_content_intent_is_told() -> None:
    with Discord(message_content=True) as discord:
        (intent,) = [c for c in doctor.examine(Config(), discord.environ()) if c.name == "message content"]
        assert (intent.state, intent.says) == ("ok", "on, limited to small bots: the 📌 reaction works")


def test_a_person_who_is_not_there_is_named(discord: Discord) -> None:
    nova = discord.person("nova")
    accounts = {"nova": nova.id, "gone": "555555555555555555", "typed": "@typed", "none": ""}
    people = People(
        Person(name, accounts=(("discord", one),) if one else (("unix", name),))
        for name, one in accounts.items()
    )
    checks = doctor.examine(Config("c.yaml", people=people), discord.environ())
    says = [check.says for check in checks if check.name == "people"]
    assert says == [
        "gone: nobody with the id 555555555555555555 is on this server",
        "typed: '@typed' is no id; an id has 17 to 20 digits",
        "none: no discord account is configured; the record then has Discord's name and id",
    ]
    assert lacking(checks).keys() == {"people"}
    assert lacking(checks)["people"].do.endswith("c.yaml: people: typed")
    assert not [request for request in discord.requests if "@typed" in request.path]


# -- against answers that no Discord on loopback gives -------------------------------------------------------------


def test_the_server_of_these_tests_is_fine(site: Site) -> None:
    checks = examine(site)
    assert [(check.name, check.state) for check in checks] == [
        ("token", "ok"), ("application", "ok"), ("message content", "ok"), ("gateway", "ok"), ("server", "ok"),
        ("commands", "ok"), ("channel", "ok"), ("people", "ok"),
    ]  # fmt: skip
    assert {check.name: check.says for check in checks}[
        "commands"
    ] == "/inc, Add to timeline (menu of a message)"


@pytest.mark.parametrize(
    ("more", "state", "says", "do"),
    [
        ({"bot_public": True}, "note", "it is public: anybody could add it", "Bot → turn off Public Bot"),
        (
            {"bot_require_code_grant": True},
            "lack",
            "OAuth2 code grant",
            "turn off Requires OAuth2 Code Grant",
        ),
        (
            {"interactions_endpoint_url": "https://x"},
            "lack",
            "the bot hears nothing",
            "empty Interactions Endpoint URL",
        ),
    ],
)
def test_what_is_wrong_with_an_application(
    site: Site, more: dict[str, Any], state: str, says: str, do: str
) -> None:
    about = {"id": APP, "name": "howdah", "flags": 0, **more}
    site.pages["/oauth2/applications/@me"] = [Page(about)]
    (found,) = [check for check in examine(site) if check.name == "application"]
    assert found.state == state and says in found.says and do in found.do


def test_flags_that_one_address_leaves_out_are_asked_of_the_other(site: Site) -> None:
    site.pages["/oauth2/applications/@me"] = [Page({"id": APP, "name": "howdah"})]
    site.pages["/applications/@me"] = [Page({"id": APP, "flags": 1 << 19})]
    (intent,) = [check for check in examine(site) if check.name == "message content"]
    assert intent.says == "on, limited to small bots: the 📌 reaction works"
    del site.pages["/applications/@me"]
    (intent,) = [check for check in examine(site) if check.name == "message content"]
    assert intent.state == "note"


def test_a_clock_that_is_wrong_is_said(site: Site) -> None:
    app = site.pages["/oauth2/applications/@me"][0].body
    site.pages["/oauth2/applications/@me"] = [Page(app, headers=(("Date", "Tue, 13 Dec 2022 18:53:10 GMT"),))]
    clock = only(examine(site))
    assert clock.name == "clock" and " d " in clock.says and "ahead of Discord" in clock.says
    assert clock.do == "timedatectl set-ntp true"


def test_a_bot_that_is_in_no_server_gets_the_link(site: Site) -> None:
    site.pages["/users/@me/guilds"] = [Page([])]
    server = only(examine(site, WHOLE._replace(discord=Place())))
    assert (server.says, server.do) == ("the bot is in none", f"add it: {invite.link(APP)}")


@pytest.mark.parametrize(
    ("number", "what"),
    [(2, "a voice channel"), (4, "a category"), (15, "a forum"), (99, "not a text channel"), (None, "not a text channel")],
)  # fmt: skip
def test_incidents_need_a_text_channel(site: Site, number: int | None, what: str) -> None:
    site.pages[f"/guilds/{GUILD}/channels"] = [Page([channel("talk", CHANNEL, type=number)])]
    assert only(examine(site)).says == f"#talk ({CHANNEL}) is {what}, incidents need a text channel"


def test_an_announcement_channel_is_one_for_the_bot_too(site: Site) -> None:
    site.pages[f"/guilds/{GUILD}/channels"] = [Page([channel("news", CHANNEL, type=5)])]
    assert lacking(examine(site)) == {}
    assert lacking(examine(site, WHOLE._replace(discord=Place()))) == {}


ELSEWHERE = f"{CHANNEL}, which discord.channel names, is not on the server that the bot serves"


@pytest.mark.parametrize(
    ("page", "says"),
    [
        (Page(channel("far", CHANNEL, guild_id="9")), ELSEWHERE),
        (Page({"message": "Missing Access", "code": 50001}, 403), ELSEWHERE),
        (Page({"message": "Unknown Channel", "code": 10003}, 404), f"there is no {CHANNEL}, which discord.channel names"),
        (Page({"message": "Odd", "code": 7}, 400), f"{CHANNEL} could not be looked at: Discord answers 400 Odd (code 7)"),
    ],
)  # fmt: skip
def test_a_channel_that_is_not_on_the_server_is_said_and_others_are_offered(
    site: Site, page: Page, says: str
) -> None:
    site.pages[f"/guilds/{GUILD}/channels"] = [Page([channel("ops", "9")])]
    site.pages[f"/channels/{CHANNEL}"] = [page]
    found = only(examine(site))
    assert (found.says, found.do) == (says, "/etc/howdah.yaml: discord: {channel: ID}; it could be #ops (9)")


def test_an_administrator_has_more_than_it_needs(site: Site) -> None:
    roles = [{"id": GUILD, "name": "@everyone", "permissions": "8", "position": 0}]
    site.pages[f"/guilds/{GUILD}/roles"] = [Page(roles)]
    checks = examine(site)
    assert lacking(checks) == {}
    assert [check.says for check in checks if check.state == "note"] == [
        "the bot is an administrator, which is more than it needs"
    ]


def test_a_server_without_a_text_channel(site: Site) -> None:
    site.pages[f"/guilds/{GUILD}/channels"] = [Page([channel("talk", CHANNEL, type=2)])]
    place = only(examine(site, WHOLE._replace(discord=Place())))
    assert place.says == "the server has no text channel"


@pytest.mark.parametrize("path", ["/users/@me", "/gateway", "/users/@me/guilds", f"/guilds/{GUILD}/roles",
                                  f"/guilds/{GUILD}/members/{APP}", f"/guilds/{GUILD}/channels"])  # fmt: skip
@pytest.mark.parametrize(
    "page", [Page(b"<html>", 502), Page({"message": "No", "code": 1}, 400), Page("text"), Page(7)]
)
def test_an_answer_that_cannot_be_used_ends_it_with_the_reason(site: Site, path: str, page: Page) -> None:
    site.pages[path] = [page]
    checks = examine(site)
    assert only(checks).name == "Discord"
    assert checks[-1].name == "Discord", "nothing is claimed about what came later"


@pytest.mark.parametrize("body", [None, True, [], {}, [[]], [None], [{}], {"id": None}, "text"])
def test_nonsense_from_a_server_is_a_line_and_never_a_fault(site: Site, body: Any) -> None:
    for path in list(site.pages):
        good = site.pages[path]
        site.pages[path] = [Page(body)]
        for config in (WHOLE, Config()):
            assert all(isinstance(check, Check) for check in examine(site, config))
        site.pages[path] = good


def test_a_server_that_is_not_there_is_one_line() -> None:
    with Site() as site:
        pass
    lost = only(examine(site))
    assert (lost.name, lost.says) == ("Discord", f"127.0.0.1:{site.port}: nothing listens there")


# -- without a question to anybody ---------------------------------------------------------------------------------


def test_without_a_token_it_is_said_how_to_get_one() -> None:
    checks = doctor.examine(Config(), {})
    token = only(checks)
    assert token.says == "there is no token for Discord" and "Reset Token" in token.do
    assert [check.state for check in checks] == ["lack", "note", "note"]


def test_a_token_file_that_others_can_read_is_a_lack_with_its_cure(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("a.b.c\n")
    path.chmod(0o644)
    token = only(doctor.examine(Config(), {"HOWDAH_DISCORD_TOKEN_FILE": str(path)}))
    assert token.do == f"chmod 600 {path}"


def test_without_permissions_everyone_may_and_it_is_said() -> None:
    (note,) = [check for check in doctor.examine(Config("c.yaml"), {}) if check.name == "permissions"]
    assert note.says == "everyone who sees the commands may use them all, and run runbooks"
    assert note.do.startswith("c.yaml: permissions: ")
    given = doctor.examine(WHOLE, {})
    assert not [check for check in given if check.name == "permissions"]


def test_a_library_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    library = lacking(doctor.examine(Config(), {}))["library"]
    assert library.do == "pip install 'howdah[discord]'"


def test_a_token_that_travels_in_clear_is_told(monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    environ = {
        "HOWDAH_DISCORD_API": f"http://0.0.0.0:{site.port}",
        "HOWDAH_DISCORD_GATEWAY": f"ws://127.0.0.1:{site.port}",
    }
    checks = doctor.examine(WHOLE, {**environ, "HOWDAH_DISCORD_TOKEN": "t0p-s3cret"})
    assert [check.says for check in checks if check.state == "note"] == [
        f"it travels to 0.0.0.0:{site.port} unencrypted"
    ]
