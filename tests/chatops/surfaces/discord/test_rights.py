"""What the bot may do in a channel is what Discord's own library computes, and each lack says where it comes from."""

from __future__ import annotations

from typing import Any

import discord
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatops.surfaces.discord import invite, rights

GUILD, BOT, CHANNEL = "100000000000000001", "200000000000000002", "300000000000000003"
ROLES = ("400000000000000004", "500000000000000005")
VIEW, SEND, PIN = 1 << 10, 1 << 11, 1 << 51
bits = st.sampled_from([0, invite.BITS, VIEW, SEND, VIEW | SEND]) | st.lists(
    st.sampled_from([one.bit for one in invite.LEAST])
).map(lambda some: sum(set(some)))
JSON = dict[str, Any]


def role(number: str, given: int, position: int, **more: Any) -> JSON:
    names = {GUILD: "@everyone", ROLES[0]: "howdah", ROLES[1]: "helpers"}
    return {
        "id": number, "name": names[number], "permissions": str(given), "position": position, "color": 0, "hoist": False,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None}, "managed": False,
        "mentionable": False, "flags": 0, **more,
    }  # fmt: skip


def overwrite(about: str, allow: int, deny: int, *, member: bool = False) -> JSON:
    return {"id": about, "type": 1 if member else 0, "allow": str(allow), "deny": str(deny & ~allow)}


def standing(
    everyone: int, own: int, other: int, *, owner: bool = False, tags: bool = True
) -> rights.Standing:
    tag = {"tags": {"bot_id": BOT}} if tags else {}
    roles = [role(GUILD, everyone, 0), role(ROLES[0], own, 1, **tag), role(ROLES[1], other, 2)]
    me = {"id": BOT, "username": "howdah"}
    return rights.standing(GUILD, me, {"roles": list(ROLES)}, roles, owner=owner)


def by_the_library(everyone: int, own: int, other: int, overwrites: list[JSON]) -> discord.Permissions:
    client = discord.Client(intents=discord.Intents.none())
    channels = [{"id": CHANNEL, "type": 0, "name": "ops", "position": 0, "permission_overwrites": overwrites}]
    roles = [role(GUILD, everyone, 0), role(ROLES[0], own, 1), role(ROLES[1], other, 2)]
    about_guild: Any = {"id": GUILD, "name": "g", "owner_id": "1", "roles": roles, "channels": channels}
    guild = discord.Guild(data=about_guild, state=client._connection)
    about_bot: Any = {
        "user": {"id": BOT, "username": "howdah", "discriminator": "0", "avatar": None, "bot": True},
        "roles": list(ROLES), "joined_at": "2022-11-01T00:00:00+00:00", "deaf": False, "mute": False, "flags": 0,
    }  # fmt: skip
    member = discord.Member(data=about_bot, guild=guild, state=client._connection)
    channel = guild.get_channel(int(CHANNEL))
    assert channel is not None
    return channel.permissions_for(member)


@settings(max_examples=150, deadline=None)
@given(st.tuples(bits, bits, bits), st.lists(st.tuples(st.sampled_from([GUILD, *ROLES, BOT]), bits, bits), max_size=4,
                                             unique_by=lambda one: one[0]))  # fmt: skip
def test_the_computation_is_discords(roles: tuple[int, int, int], given: list[tuple[str, int, int]]) -> None:
    overwrites = [overwrite(about, allow, deny, member=about == BOT) for about, allow, deny in given]
    ours = rights.allowed(standing(*roles), overwrites)
    theirs = by_the_library(*roles, overwrites).value
    assert bool(ours & VIEW) == bool(theirs & VIEW)
    if ours & VIEW and ours & SEND:  # without these two nothing of the rest counts
        assert ours & invite.BITS == theirs & invite.BITS


def test_an_administrator_and_an_owner_lack_nothing() -> None:
    everything_denied = [overwrite(GUILD, 0, invite.BITS)]
    assert rights.lacks(standing(0, rights.ADMINISTRATOR, 0), everything_denied) == []
    assert rights.lacks(standing(0, 0, 0, owner=True), everything_denied) == []


@pytest.mark.parametrize("permission", invite.LEAST, ids=lambda one: one.name)
def test_a_permission_that_no_role_gives_is_turned_on_for_the_bots_own_role(
    permission: invite.Permission,
) -> None:
    (lack,) = rights.lacks(standing(0, invite.BITS & ~permission.bit, 0), [])
    assert lack == (permission, "no role of the bot gives it", "the role howdah")


def test_who_denies_it_is_named() -> None:
    one = standing(invite.BITS, 0, 0)
    cases = [
        ([overwrite(GUILD, 0, PIN)], "the channel denies it to the role @everyone", "the role howdah"),
        ([overwrite(ROLES[1], 0, PIN)], "the channel denies it to the role helpers", "the role howdah"),
        (
            [overwrite(BOT, 0, PIN, member=True), overwrite(ROLES[0], PIN, 0)],
            "the channel denies it to the bot itself",
            "the member howdah",
        ),
    ]
    for overwrites, why, turn_on in cases:
        (lack,) = rights.lacks(one, overwrites)
        assert (lack.permission.name, lack.why, lack.turn_on) == ("PIN_MESSAGES", why, turn_on)


def test_the_cure_that_is_named_cures() -> None:
    denied = [overwrite(GUILD, 0, PIN), overwrite(ROLES[1], 0, PIN)]
    assert rights.lacks(standing(invite.BITS, 0, 0), denied)
    assert not rights.lacks(standing(invite.BITS, 0, 0), [*denied, overwrite(ROLES[0], PIN, 0)])


def test_a_bot_whose_own_role_is_not_marked_has_its_highest_and_without_a_role_itself() -> None:
    assert standing(0, 0, 0, tags=False).own_role == "helpers"
    alone = rights.standing(GUILD, {"id": BOT, "username": "howdah"}, {"roles": []}, [role(GUILD, 0, 0)])
    assert {lack.turn_on for lack in rights.lacks(alone, [])} == {"the member howdah"}


def test_what_is_of_others_and_what_is_nonsense_changes_nothing() -> None:
    one = standing(invite.BITS, 0, 0)
    foreign = [overwrite("600000000000000006", 0, PIN), overwrite("700000000000000007", 0, PIN, member=True)]
    nonsense: list[JSON] = [
        {},
        {"id": GUILD, "type": 0, "deny": "many", "allow": None},
        {"id": GUILD, "deny": "9" * 99},
    ]
    assert rights.lacks(one, [*foreign, *nonsense]) == []
