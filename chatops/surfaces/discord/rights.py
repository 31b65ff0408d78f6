"""What the bot may do in one channel, computed as Discord does, and where each lack comes from.

Discord's page "Permissions", section "Permission Overwrites": all roles of the member together; an administrator may
everything; then the channel's overwrites for @everyone, for the roles together, for the member.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from chatops.surfaces.discord.invite import LEAST, Permission

ADMINISTRATOR = 1 << 3
ROLE, MEMBER = 0, 1  # types of an overwrite
JSON = Mapping[str, Any]


class Lack(NamedTuple):
    """A permission that is missing. `why` ends a sentence; `turn_on` names whose switch in the channel gives it."""

    permission: Permission
    why: str
    turn_on: str


class Standing(NamedTuple):
    """The bot in a guild: its roles there with their names and bits, @everyone first. `owner` may everything."""

    guild: str
    bot: str
    name: str
    roles: tuple[tuple[str, str, int], ...]
    own_role: str
    owner: bool = False

    @property
    def administrator(self) -> bool:
        return self.owner or bool(self.base & ADMINISTRATOR)

    @property
    def base(self) -> int:
        """What its roles give it, before any channel has a say."""
        bits = 0
        for _, _, one in self.roles:
            bits |= one
        return bits


def standing(guild: str, me: JSON, member: JSON, roles: Sequence[JSON], *, owner: bool = False) -> Standing:
    """From what Discord says of the bot's user, its membership and the guild's roles."""
    bot = str(me.get("id"))
    held = {guild, *map(str, member.get("roles") or ())}
    mine = [role for role in roles if str(role.get("id")) in held]
    mine.sort(key=lambda role: (str(role.get("id")) != guild, _number(role.get("position"))))
    named = tuple((str(role["id"]), str(role.get("name")), _number(role.get("permissions"))) for role in mine)
    own = [str(role.get("name")) for role in mine if str((role.get("tags") or {}).get("bot_id")) == bot]
    given = [name for role_id, name, _ in named if role_id != guild]
    return Standing(guild, bot, str(me.get("username")), named, (own or given[-1:] or [""])[0], owner)


def allowed(one: Standing, overwrites: Sequence[JSON]) -> int:
    """The bits that the bot has in a channel with these overwrites."""
    if one.administrator:
        return ~0
    bits = one.base
    for deny, allow in _layers(one, overwrites):
        bits = bits & ~deny | allow
    return bits


def lacks(one: Standing, overwrites: Sequence[JSON]) -> list[Lack]:
    """What is missing of the least that the bot needs, in the order of that list."""
    bits = allowed(one, overwrites)
    return [_lack(permission, one, overwrites) for permission in LEAST if not bits & permission.bit]


def _layers(one: Standing, overwrites: Sequence[JSON]) -> list[tuple[int, int]]:
    """(deny, allow) of @everyone, of the roles together, of the bot itself."""
    roles = {role_id for role_id, _, _ in one.roles}
    layers = [[0, 0], [0, 0], [0, 0]]
    for overwrite in overwrites:
        about = str(overwrite.get("id"))
        if _number(overwrite.get("type")) == MEMBER:
            layer = layers[2] if about == one.bot else None
        else:
            layer = layers[0] if about == one.guild else layers[1] if about in roles else None
        if layer is not None:
            layer[0] |= _number(overwrite.get("deny"))
            layer[1] |= _number(overwrite.get("allow"))
    return [(deny, allow) for deny, allow in layers]


def _lack(permission: Permission, one: Standing, overwrites: Sequence[JSON]) -> Lack:
    names = {role_id: name for role_id, name, _ in one.roles}
    for overwrite in sorted(overwrites, key=lambda item: _rank(item, one), reverse=True):
        about, is_member = str(overwrite.get("id")), _number(overwrite.get("type")) == MEMBER
        if not _number(overwrite.get("deny")) & permission.bit:
            continue
        if is_member and about == one.bot:
            return Lack(permission, "the channel denies it to the bot itself", f"the member {one.name}")
        if not is_member and about in names:
            switch = f"the role {one.own_role}" if one.own_role else f"the member {one.name}"
            return Lack(permission, f"the channel denies it to the role {names[about]}", switch)
    switch = f"the role {one.own_role}" if one.own_role else f"the member {one.name}"
    return Lack(permission, "no role of the bot gives it", switch)


def _rank(overwrite: JSON, one: Standing) -> int:
    """The later an overwrite counts, the higher: @everyone, roles, the bot itself."""
    if _number(overwrite.get("type")) == MEMBER:
        return 2
    return 0 if str(overwrite.get("id")) == one.guild else 1


def _number(value: Any) -> int:
    """A number, or the text of one, as Discord writes permissions; 0 for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 40:
        return int(value)
    return value if isinstance(value, int) else 0
