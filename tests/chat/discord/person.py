"""A person in front of their client: what they type, press and read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from tests.chat.discord import posting, rest_messages, rest_threads, shapes, typed
from tests.chat.discord.errors import JSON, CannotSend
from tests.chat.discord.routes import File
from tests.chat.discord.state import Channel, Interaction, Member, Message

if TYPE_CHECKING:
    from tests.chat.discord.server import Discord

COMMAND, COMPONENT, AUTOCOMPLETE, MODAL = 2, 3, 4, 5


class Answer:
    """What came back for one interaction, as the person sees it; always the present state."""

    def __init__(self, discord: Discord, one: Interaction) -> None:
        self.discord = discord
        self.interaction = one

    def wait(self, timeout: float = 10.0, *, until: Callable[[Answer], object] | None = None) -> Answer:
        """Waits for the final content: of a deferred answer its edit or followup; then for `until`.

        Raises TimeoutError. A deferred update (type 6) is final at once: nothing must follow it.
        """
        one = self.interaction
        what = f"an answer to {one.payload['data'].get('name') or one.payload['data'].get('custom_id')!r}"
        self.discord.wait_for(lambda: one.failed or (one.callback and not one.loading), timeout, what=what)
        if until is not None:
            self.discord.wait_for(lambda: until(self), timeout, what=what)
        return self

    @property
    def type(self) -> int:
        """The type of the first answer; 0: none yet."""
        return self.interaction.callback

    @property
    def failed(self) -> bool:
        """The person read "The application did not respond"."""
        return self.interaction.failed

    @property
    def ephemeral(self) -> bool:
        """Whether the answer is shown to this person alone."""
        return self.interaction.ephemeral

    @property
    def message(self) -> JSON:
        """The answering message; for an update the message that was pressed."""
        return self.discord.message(self.interaction.original)

    @property
    def messages(self) -> list[JSON]:
        """The answer with its followups, as far as they still exist."""
        one = self.interaction
        return self.discord.existing([one.original, *one.followups])

    @property
    def text(self) -> str:
        """All that is to read in them, or in the modal."""
        if self.modal is not None:
            return str(self.modal["title"])
        return "\n".join(filter(None, (shapes.text_of(one) for one in self.messages)))

    @property
    def modal(self) -> JSON | None:
        return deepcopy(self.interaction.modal)

    @property
    def choices(self) -> list[JSON] | None:
        return deepcopy(self.interaction.choices)

    @property
    def latency_s(self) -> float:
        """From the sent event to the first answer."""
        one = self.interaction
        if not one.callback:
            raise ValueError("it is not answered")
        return one.answered - one.sent

    def __repr__(self) -> str:
        return f"<Answer type={self.type} failed={self.failed} {self.text!r}>"


class Person:
    """A member of a guild."""

    def __init__(self, discord: Discord, member: Member, channel: str) -> None:
        self.discord = discord
        self.member = member
        self.channel = channel

    @property
    def id(self) -> str:
        return self.member.id

    @property
    def name(self) -> str:
        return self.member.name

    @property
    def mention(self) -> str:
        return f"<@{self.id}>"

    def slash(
        self,
        path: str,
        /,
        *,
        channel: str | None = None,
        options: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> Answer:
        """Sends a slash command; `options` for names that collide. Raises CannotSend."""
        given = {**(options or {}), **more}
        return self._send(COMMAND, channel, lambda typing: typing.slash(path, given))

    def autocomplete(
        self, path: str, option: str, text: str, /, *, channel: str | None = None, **more: Any
    ) -> list[JSON]:
        """What is offered while `text` is typed into the option. Raises TimeoutError without an answer."""
        given = {**more, option: text}
        answer = self._send(AUTOCOMPLETE, channel, lambda typing: typing.slash(path, given, focused=option))
        if answer.wait().failed:
            raise TimeoutError("Loading options failed")
        return answer.choices or []

    def click(
        self, message: str | JSON | Answer, label: str | None = None, *, custom_id: str | None = None
    ) -> Answer:
        """Presses a button, found by label or custom_id; a dict is pressed as it was seen, even if stale."""

        def chosen(wire: JSON) -> JSON:
            buttons = [one for one in shapes.components(wire["components"]) if one["type"] == 2]
            for one in buttons:
                if one.get("style") in (5, 6) or (label is None and custom_id is None):
                    continue
                if label in (None, one.get("label")) and custom_id in (None, one["custom_id"]):
                    if one.get("disabled"):
                        raise CannotSend(f"the button {one.get('label')!r} is disabled")
                    return {"component_type": 2, "custom_id": one["custom_id"], "id": one["id"]}
            raise CannotSend(
                f"no button {label or custom_id!r} among {[one.get('label') for one in buttons]}"
            )

        return self._press(message, chosen)

    def select(
        self, message: str | JSON | Answer, values: Iterable[Any] | str, *, custom_id: str | None = None
    ) -> Answer:
        """Chooses in a select menu; values by value or label, people, roles and channels by id."""
        wanted = [values] if isinstance(values, str) else list(values)

        def chosen(wire: JSON, typing: typed.Typing) -> JSON:
            for one in shapes.components(wire["components"]):
                if one["type"] not in (3, 5, 6, 7, 8) or custom_id not in (None, one["custom_id"]):
                    continue
                if one.get("disabled"):
                    raise CannotSend("the menu is disabled")
                base = {"component_type": one["type"], "custom_id": one["custom_id"], "id": one["id"]}
                if one["type"] == 3:
                    return {**base, "values": typed.pick(one["options"], one, wanted)}
                kind = {5: typed.USER, 6: typed.ROLE, 7: typed.MENTIONABLE, 8: typed.CHANNEL}[one["type"]]
                ids = [typing.resolve(kind, value) for value in wanted]
                return {**base, "values": ids, "resolved": typing.resolved}
            raise CannotSend("there is no such menu")

        return self._press(message, chosen)

    def submit(self, modal: JSON | Answer, values: Mapping[str, Any] | None = None) -> Answer:
        """Submits a modal, its fields named by label or custom_id. Raises CannotSend."""
        source = modal.interaction if isinstance(modal, Answer) else self._modals().get(_key(modal))
        if source is None or source.modal is None:
            raise CannotSend("no such modal is open")
        shown = source.modal

        def fill(typing: typed.Typing) -> JSON:
            return typed.Filling(typing, shown, values or {}).data()

        message = source.payload.get("message")
        return self._send(MODAL, source.channel, fill, message=message)

    def _modals(self) -> dict[str, Interaction]:
        interactions = self.discord.world.interactions.values()
        mine = [one for one in list(interactions) if one.modal is not None and one.person == self.id]
        return {_key(one.modal): one for one in mine if one.modal is not None}

    def menu(self, name: str, message: str | JSON) -> Answer:
        """Takes an entry of a message's menu."""
        message_id = message if isinstance(message, str) else str(message["id"])

        def data(typing: typed.Typing) -> JSON:
            return typing.menu(name, self.discord.kept(message_id))

        return self._send(COMMAND, self.discord.message(message_id)["channel_id"], data)

    def say(
        self,
        channel: str,
        text: str,
        attachments: Iterable[tuple[str, bytes]] = (),
        *,
        reply_to: str | None = None,
    ) -> str:
        """Writes a message; its id."""
        files = [
            File(f"files[{index}]", name, "text/plain", content)
            for index, (name, content) in enumerate(attachments)
        ]
        body: JSON = {"content": text}
        if reply_to is not None:
            body["message_reference"] = {"message_id": reply_to}

        def write() -> str:
            where = self._channel(channel)
            if where.locked:
                raise CannotSend("the thread is locked")
            if not 1 <= len(text) <= 2000 and not files:
                raise CannotSend("a person writes 1 to 2000 characters")
            return posting.post(self.discord.world, where, self.member, body, files).id

        return self.discord.call(write)

    def edit(self, message: str, text: str) -> None:
        """Changes an own message."""
        self.discord.call(lambda: posting.edit(self.discord.world, self._own(message), {"content": text}))

    def delete(self, message: str) -> None:
        """Deletes an own message."""
        self.discord.call(lambda: posting.remove(self.discord.world, self._own(message)))

    def _own(self, message: str) -> Message:
        kept = self.discord.kept(message)
        if kept.wire["author"]["id"] != self.id:
            raise CannotSend("it is another's message")
        return kept

    def react(self, message: str | JSON, emoji: str) -> None:
        self._react(message, emoji, rest_messages.set_reaction)

    def unreact(self, message: str | JSON, emoji: str) -> None:
        self._react(message, emoji, rest_messages.clear_reaction)

    def _react(self, message: str | JSON, emoji: str, act: Callable[..., None]) -> None:
        key = message if isinstance(message, str) else str(message["id"])
        self.discord.call(lambda: act(self.discord.world, self.discord.kept(key), self.member, emoji))

    def pin(self, message: str | JSON) -> None:
        key = message if isinstance(message, str) else str(message["id"])

        def act() -> None:
            kept = self.discord.kept(key)
            rest_messages.set_pin(self.discord.world, self._channel(kept.channel), kept, self.member)

        self.discord.call(act)

    def unarchive(self, thread: str) -> None:
        self.discord.call(
            lambda: rest_threads.set_archived(self.discord.world, self._channel(thread), archived=False)
        )

    def _channel(self, channel: str | None) -> Channel:
        found = self.discord.world.channels.get(channel or self.channel)
        if found is None:
            raise CannotSend(f"there is no channel {channel!r}")
        return found

    def _press(self, message: str | JSON | Answer, chosen: Callable[..., JSON]) -> Answer:
        wire = message if isinstance(message, dict) else None
        key = message.interaction.original if isinstance(message, Answer) else str(message)
        wire = self.discord.message(key) if wire is None else deepcopy(wire)
        kept = self.discord.world.messages.get(wire["id"])
        if kept is not None and kept.for_person not in ("", self.id):
            raise CannotSend("this person does not see that message")
        wants_typing = chosen.__code__.co_argcount == 2
        return self._send(
            COMPONENT,
            wire["channel_id"],
            lambda typing: chosen(wire, typing) if wants_typing else chosen(wire),
            message=wire,
        )

    def _send(
        self,
        kind: int,
        channel: str | None,
        data: Callable[[typed.Typing], JSON],
        *,
        message: JSON | None = None,
    ) -> Answer:
        def inject() -> Interaction:
            world = self.discord.world
            where = self._channel(channel)
            typing = typed.Typing(world, self.member, where)
            payload = typed.envelope(world, self.member, where, kind, data(typing))
            if message is not None:
                payload["message"] = message
            return self.discord.inject(payload, self.id, where.id)

        return Answer(self.discord, self.discord.call(inject))


def _key(modal: JSON) -> str:
    return f"{modal['custom_id']}\0{modal['title']}"


__all__ = ["Answer", "CannotSend", "Person"]
