"""What a person types or fills in, made into interaction data as their client would, and checked as it would."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

from tests.chat.discord import posting, shapes
from tests.chat.discord.errors import JSON, CannotSend
from tests.chat.discord.permissions import ADMINISTRATOR, PERSON
from tests.chat.discord.routes import File
from tests.chat.discord.state import Channel, Guild, Member, Message, World

SUB, GROUP, STRING, INTEGER, BOOLEAN, USER, CHANNEL, ROLE, MENTIONABLE, NUMBER, ATTACHMENT = range(1, 12)
SLASH, USER_MENU, MESSAGE_MENU = 1, 2, 3
TYPES: dict[int, tuple[type, ...]] = {STRING: (str,), INTEGER: (int,), NUMBER: (int, float), BOOLEAN: (bool,)}


class Typing:
    """One person at their client, in one channel."""

    def __init__(self, world: World, person: Member, channel: Channel) -> None:
        self.world = world
        self.person = person
        self.channel = channel
        self.resolved: JSON = {}

    def command(self, name: str, kind: int) -> JSON:
        """The command that the client shows under this name; of one name the guild's wins."""
        listed = [*self.world.commands.get(self.person.guild, []), *self.world.commands.get("", [])]
        for one in listed:
            if one["name"] == name and one["type"] == kind:
                self._may_see(one)
                return one
        names = sorted(one["name"] for one in listed if one["type"] == kind)
        raise CannotSend(f"there is no command {name!r}; there are {names}")

    def _may_see(self, command: JSON) -> None:
        needed = command["default_member_permissions"]
        mine = int(self.person.bits) | PERSON
        if needed is None or mine & ADMINISTRATOR:
            return
        if int(needed) == 0 or mine & int(needed) != int(needed):
            raise CannotSend(f"{self.person.name} does not see the command {command['name']!r}")

    def slash(self, path: str, given: Mapping[str, Any], *, focused: str | None = None) -> JSON:
        """The data of a slash command (or, with `focused`, of an autocomplete)."""
        first, *rest = path.removeprefix("/").split()
        command = self.command(first, SLASH)
        level: list[JSON] = command.get("options", [])
        chain: list[JSON] = []
        for word in rest:
            found = next((one for one in level if one["name"] == word and one["type"] in (SUB, GROUP)), None)
            if found is None:
                raise CannotSend(
                    f"there is no {word!r} in {path!r}; there are {[one['name'] for one in level]}"
                )
            chain.append(found)
            level = found.get("options", [])
        if any(one["type"] in (SUB, GROUP) for one in level):
            raise CannotSend(f"{path!r} is a group; it has {[one['name'] for one in level]}")
        options = list(self._options(path, level, given, focused))
        for one in reversed(chain):
            options = [{"name": one["name"], "type": one["type"], "options": options}]
        data: JSON = {"id": command["id"], "name": command["name"], "type": SLASH, "options": options}
        if "guild_id" in command:
            data["guild_id"] = command["guild_id"]
        if self.resolved:
            data["resolved"] = self.resolved
        return data

    def _options(
        self, path: str, level: list[JSON], given: Mapping[str, Any], focused: str | None
    ) -> Iterator[JSON]:
        known = {one["name"]: one for one in level}
        for name in given:
            if name not in known:
                raise CannotSend(f"{path!r} has no option {name!r}; it has {sorted(known)}")
        if focused is None:
            missing = [one["name"] for one in level if one.get("required") and one["name"] not in given]
            if missing:
                raise CannotSend(f"{path!r} needs {missing}")
        elif not known.get(focused, {}).get("autocomplete"):
            raise CannotSend(f"{path!r} has no option {focused!r} with completion")
        for name, value in given.items():
            option = known[name]
            if name == focused:
                yield {"name": name, "type": option["type"], "value": str(value), "focused": True}
            else:  # while one option is being completed, the others are sent as far as they are typed
                partly = focused is not None and option["type"] in TYPES
                sent = value if partly else self.value(option, value)
                yield {"name": name, "type": option["type"], "value": sent}

    def value(self, option: JSON, value: Any) -> Any:
        """The value as its type says; raises CannotSend where the client marks it red."""
        kind, name = option["type"], option["name"]
        wanted = TYPES.get(kind)
        if wanted is not None:
            if not isinstance(value, wanted) or (isinstance(value, bool) and kind != BOOLEAN):
                raise CannotSend(f"{name!r} takes {wanted[-1].__name__}, not {value!r}")
            if option.get("choices"):
                return self._choice(option, value)
            size: Any = len(value) if isinstance(value, str) else value
            ends = ("min_length", "max_length") if kind == STRING else ("min_value", "max_value")
            low, high = option.get(ends[0]), option.get(ends[1])
            high = 6000 if high is None and kind == STRING else high
            if (low is not None and size < low) or (high is not None and size > high):
                raise CannotSend(f"{name!r} is not within {low}..{high}: {str(value)[:40]!r}")
            return value
        if kind == ATTACHMENT:
            return self.upload(value)
        return self.resolve(kind, value)

    @staticmethod
    def _choice(option: JSON, value: Any) -> Any:
        for one in option["choices"]:
            if value in (one["value"], one["name"]):
                return one["value"]
        raise CannotSend(f"{option['name']!r} has no choice {value!r}")

    def resolve(self, kind: int, value: Any) -> str:
        """The id of a person, role or channel, with the object in `resolved`."""
        key = str(getattr(value, "id", value))
        guild = self.world.guilds[self.person.guild]
        if kind in (USER, MENTIONABLE) and key in guild.members:
            one = guild.members[key]
            self.resolved.setdefault("users", {})[key] = shapes.user(one)
            shape = shapes.member(self.world, one, with_user=False)
            self.resolved.setdefault("members", {})[key] = {**shape, "permissions": str(int(one.bits))}
        elif kind in (ROLE, MENTIONABLE) and key in guild.roles:
            self.resolved.setdefault("roles", {})[key] = guild.roles[key]
        elif kind == CHANNEL and key in self.world.channels:
            one_channel = self.world.channels[key]
            shape = shapes.interaction_channel(self.world, one_channel, self.person)
            self.resolved.setdefault("channels", {})[key] = shape
        else:
            raise CannotSend(f"there is no such thing here: {value!r}")
        return key

    def upload(self, value: Any) -> str:
        """An attachment given as (name, bytes)."""
        name, content = value
        file = File("files[0]", name, "application/octet-stream", content)
        shape = posting.attach(self.world, self.channel.id, "", None, [file], [])[0]
        self.resolved.setdefault("attachments", {})[shape["id"]] = {**shape, "ephemeral": True}
        return str(shape["id"])

    def menu(self, name: str, target: Message) -> JSON:
        """The data of an entry of the message menu; it carries the message, whatever the intents."""
        command = self.command(name, MESSAGE_MENU)
        shape = shapes.message(self.world, target)
        data = {"id": command["id"], "name": name, "type": MESSAGE_MENU, "target_id": target.id}
        return {**data, "resolved": {"messages": {target.id: shape}}}


def pick(options: list[JSON], one: JSON, values: list[str]) -> list[str]:
    """The chosen values of a select, given by value or label, within its numbers."""
    found = []
    for value in values:
        match = next((o["value"] for o in options if value in (o["value"], o["label"])), None)
        if match is None:
            raise CannotSend(f"{one['custom_id']!r} has no option {value!r}")
        found.append(match)
    low, high = one.get("min_values", 1), one.get("max_values", 1)
    if not low <= len(found) <= high:
        raise CannotSend(f"{one['custom_id']!r} takes {low} to {high} values")
    return found


class Filling:
    """A modal being filled in."""

    def __init__(self, typing: Typing, modal: JSON, values: Mapping[str, Any]) -> None:
        self.typing = typing
        self.modal = modal
        self.left = dict(values)

    def data(self) -> JSON:
        """The data of the submitted modal; raises CannotSend for what its fields refuse."""
        tree = [self._part(one) for one in self.modal["components"]]
        if self.left:
            raise CannotSend(f"the modal has no {sorted(self.left)}")
        data: JSON = {"custom_id": self.modal["custom_id"], "components": tree}
        if self.typing.resolved:
            data["resolved"] = self.typing.resolved
        return data

    def _part(self, one: JSON) -> JSON:
        shape: JSON = {"type": one["type"], "id": one.get("id", 0)}
        if one["type"] == 18:
            shape["component"] = self._field(one["component"], one["label"])
        elif one["type"] == 1:
            shape["components"] = [self._field(child, child.get("label", "")) for child in one["components"]]
        return shape

    def _field(self, one: JSON, label: str) -> JSON:
        kind, custom_id = one["type"], one["custom_id"]
        given = self.left.pop(custom_id, None)
        given = self.left.pop(label, given)
        shape: JSON = {"type": kind, "id": one.get("id", 0), "custom_id": custom_id}
        if kind == 4:
            return {**shape, "value": self._text(one, given)}
        if kind in (23,):
            return {**shape, "value": bool(given if given is not None else one.get("default", False))}
        chosen = [given] if isinstance(given, str) else list(given or [])
        if given is None and kind in (3, 21, 22):
            chosen = [option["value"] for option in one["options"] if option.get("default")]
        if not chosen:
            if one.get("required", True):
                raise CannotSend(f"the modal needs {label or custom_id!r}")
            return {**shape, "value": None} if kind == 21 else {**shape, "values": []}
        if kind in (3, 22):
            return {**shape, "values": pick(one["options"], one, chosen)}
        if kind == 21:
            return {**shape, "value": pick(one["options"], one, chosen)[0]}
        if kind == 19:
            return {**shape, "values": [self.typing.upload(file) for file in chosen]}
        wanted = {5: USER, 6: ROLE, 7: MENTIONABLE, 8: CHANNEL}[kind]
        return {**shape, "values": [self.typing.resolve(wanted, value) for value in chosen]}

    @staticmethod
    def _text(one: JSON, given: Any) -> str:
        text = one.get("value") or "" if given is None else given
        if not isinstance(text, str):
            raise CannotSend(f"{one['custom_id']!r} takes text, not {text!r}")
        if not text:
            if one.get("required", True):
                raise CannotSend(f"the modal needs {one['custom_id']!r}")
            return ""
        if not one.get("min_length", 0) <= len(text) <= one.get("max_length", 4000):
            raise CannotSend(f"{one['custom_id']!r} is too short or too long")
        return text


def envelope(world: World, person: Member, channel: Channel, kind: int, data: JSON) -> JSON:
    """The whole INTERACTION_CREATE, with all that discord.py cannot do without."""
    guild: Guild = world.guilds[person.guild]
    interaction_id = world.new_id()
    token = base64.urlsafe_b64encode(f"interaction:{interaction_id}:{world.new_id()}".encode()).decode()
    return {
        "id": interaction_id,
        "application_id": world.app_id,
        "type": kind,
        "token": token.rstrip("="),
        "version": 1,
        "guild_id": guild.id,
        "guild": {"id": guild.id, "locale": "en-US", "features": []},
        "channel_id": channel.id,
        "channel": shapes.interaction_channel(world, channel, person),
        "member": shapes.interaction_member(world, person),
        "locale": "en-US",
        "guild_locale": "en-US",
        "app_permissions": str(int(world.bits(channel))),
        "attachment_size_limit": world.settings.file_bytes,
        "authorizing_integration_owners": {"0": guild.id},
        "context": 0,
        "entitlements": [],
        "data": data,
    }
