"""Application commands: read, replace all, create, change, delete; of a guild and global."""

from __future__ import annotations

from typing import Any

from tests.chat.discord.errors import JSON, invalid, refused
from tests.chat.discord.routes import Answer, Call, on
from tests.chat.discord.state import World

GLOBAL, LOCAL = "/applications/{app}/commands", "/applications/{app}/guilds/{guild}/commands"
MOST = {1: 100, 2: 15, 3: 15}


def _place(call: Call) -> tuple[World, str]:
    """The list that the request is about: a guild's id, or "" for the global commands."""
    world = call.world
    if call.params["app"] != world.app_id:
        raise refused(10002)
    guild_id = call.params.get("guild", "")
    if guild_id and (guild_id not in world.guilds or not world.settings.commands_scope):
        raise refused(50001)
    return world, guild_id


@on("GET", LOCAL)
@on("GET", GLOBAL)
def listed(call: Call) -> list[JSON]:
    world, guild_id = _place(call)
    return world.commands.get(guild_id, [])


@on("PUT", LOCAL)
@on("PUT", GLOBAL)
def replaced(call: Call) -> list[JSON]:
    """Everything that was there before is gone, menu entries too; what keeps its name keeps its id."""
    world, guild_id = _place(call)
    wanted: list[JSON] = call.body if isinstance(call.body, list) else []
    check_set(wanted)
    before = {(one["type"], one["name"]): one for one in world.commands.get(guild_id, [])}
    count_creates(world, sum((one.get("type", 1), one["name"]) not in before for one in wanted))
    kept = [_command(world, guild_id, one, before.get((one.get("type", 1), one["name"]))) for one in wanted]
    world.commands[guild_id] = kept
    world.changed()
    return kept


@on("POST", LOCAL)
@on("POST", GLOBAL)
def created(call: Call) -> Answer:
    world, guild_id = _place(call)
    known = world.commands.setdefault(guild_id, [])
    key = (call.json.get("type", 1), call.json["name"])
    old = next((one for one in known if (one["type"], one["name"]) == key), None)
    others = [one for one in known if one is not old]
    check_set([*others, call.json])
    if old is None:
        count_creates(world, 1)
    made = _command(world, guild_id, call.json, old)
    world.commands[guild_id] = [*others, made]
    world.changed()
    return Answer(200 if old else 201, made)


@on("GET", LOCAL + "/{command}")
@on("GET", GLOBAL + "/{command}")
def read(call: Call) -> JSON:
    world, guild_id = _place(call)
    for one in world.commands.get(guild_id, []):
        if one["id"] == call.params["command"]:
            return one
    raise refused(10063)


@on("DELETE", LOCAL + "/{command}")
@on("DELETE", GLOBAL + "/{command}")
def deleted(call: Call) -> None:
    world, guild_id = _place(call)
    world.commands[guild_id].remove(read(call))
    world.changed()


def check_set(wanted: list[JSON]) -> None:
    """The numbers and names that hold for a list as a whole."""
    seen: set[Any] = set()
    for index, one in enumerate(wanted):
        key = (one.get("type", 1), one["name"])
        if key in seen:
            text = "Application command names must be unique"
            raise invalid((f"{index}.name", "APPLICATION_COMMANDS_DUPLICATE_NAME", text))
        seen.add(key)
    for kind, most in MOST.items():
        if sum(one.get("type", 1) == kind for one in wanted) > most:
            raise refused(30032)


def count_creates(world: World, new: int) -> None:
    """30034: 200 creates a day."""
    now = world.clock.now()
    world.creates = [at for at in world.creates if now - at < 86_400]
    if len(world.creates) + new > world.settings.creates_a_day:
        raise refused(30034, retry_after=86_400.0, **{"global": False})
    world.creates += [now] * new


def _command(world: World, guild_id: str, body: JSON, old: JSON | None) -> JSON:
    command_id = old["id"] if old else world.new_id()
    filled: JSON = {
        "type": 1,
        "description": "",
        "default_member_permissions": None,
        "nsfw": False,
        **{key: value for key, value in body.items() if value is not None},
    }
    asked = filled["default_member_permissions"]
    filled["default_member_permissions"] = None if asked is None else str(asked)
    place = {"guild_id": guild_id} if guild_id else {"contexts": body.get("contexts")}
    return {**filled, **place, "id": command_id, "application_id": world.app_id, "version": world.new_id()}
