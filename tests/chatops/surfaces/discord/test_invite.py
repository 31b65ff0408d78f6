"""The link that adds the bot asks for exactly what the bot needs."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import discord

from chatops.surfaces.discord import invite
from tests.chat.discord import permissions


def test_the_permissions_are_the_least_and_each_says_what_for() -> None:
    assert invite.BITS == permissions.LEAST == 2252109051448384
    assert len({one.bit for one in invite.LEAST}) == len(invite.LEAST) == 9
    assert all(one.needed.startswith("to ") and one.label for one in invite.LEAST)


def test_names_and_bits_are_those_that_discords_library_knows() -> None:
    for one in invite.LEAST:
        other = {"SEND_MESSAGES_IN_THREADS": "send_messages_in_threads"}.get(one.name, one.name.lower())
        assert getattr(discord.Permissions(one.bit), other) is True, one.name
        assert bin(one.bit).count("1") == 1


def test_the_link_names_application_scopes_and_permissions() -> None:
    parts = urlsplit(invite.link("112233445566778899"))
    assert (parts.scheme, parts.netloc, parts.path) == ("https", "discord.com", "/oauth2/authorize")
    assert parse_qs(parts.query) == {
        "client_id": ["112233445566778899"],
        "scope": ["bot applications.commands"],
        "permissions": ["2252109051448384"],
    }


def test_a_server_can_be_chosen_beforehand() -> None:
    query = parse_qs(urlsplit(invite.link("112233445566778899", "222222222222222222")).query)
    assert (query["guild_id"], query["disable_guild_select"]) == (["222222222222222222"], ["true"])


def test_the_link_is_the_one_that_discords_library_makes() -> None:
    made = discord.utils.oauth_url(
        112233445566778899,
        permissions=discord.Permissions(invite.BITS),
        guild=discord.Object(222222222222222222),
        scopes=invite.SCOPES,
        disable_guild_select=True,
    )
    ours = invite.link("112233445566778899", "222222222222222222")
    assert parse_qs(urlsplit(ours).query) == parse_qs(urlsplit(made).query)
