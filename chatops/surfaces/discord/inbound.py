"""The one entrance: slash commands, completion, buttons, forms, the message menu, a pin.

Everything is read from the interaction's own data, so that a restart, an old message or a form from before changes
nothing. The first answer goes out at once, within Discord's 3 s; the work follows in a thread; answers are seen by
the person alone, what changed is told to all by the mirror. Every command carries a natural key (the interaction's
id, the button's own, the message's), so what is delivered twice is recorded once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import discord

from chatops import dispatch, presses, views, vocabulary
from chatops.surfaces.base import PlatformDown
from chatops.surfaces.discord import forms, keeping, quoting, render, tree
from chatops.surfaces.discord.answering import Answers
from chatops.surfaces.discord.front import DiscordFront, Place
from chatops.vocabulary import Places, Reply
from incidents import clock
from incidents.errors import BadInput, HowdahError

if TYPE_CHECKING:
    from chatops.rooms import Rooms
    from chatops.surfaces.discord.tree import Typed
    from chatops.surfaces.discord.wire import Wire
    from chatops.views import Option
    from chatops.vocabulary import Call, Command

FIRST = 1.5  # seconds that a look-up may take which comes before the first answer
REMEMBERED = 4096  # interactions whose second delivery is known without the record

DONE = "\N{WHITE HEAVY CHECK MARK}"

T = TypeVar("T")
Interaction = discord.Interaction[Any]


class Inbound:
    """What comes in from Discord. `pool` is where commands are carried out."""

    def __init__(self, call: Call, wire: Wire, rooms: Rooms, pool: ThreadPoolExecutor):
        self._call, self._wire, self._rooms = call, wire, rooms
        self._answers = Answers(call, wire, rooms, pool)
        self._looks = ThreadPoolExecutor(2, thread_name_prefix="look")  # never behind a command that waits
        self._store = call.store
        self._seen: OrderedDict[int, None] = OrderedDict()
        self._work: set[asyncio.Task[None]] = set()

    async def finish(self) -> None:
        """What was begun is finished, and told where that still goes."""
        if self._work:
            await asyncio.wait(self._work, timeout=10)
        self._looks.shutdown(wait=False)

    # -- interactions

    async def interaction(self, interaction: Interaction) -> None:
        """One delivery. What is wrong with it is told to the person."""
        if interaction.id in self._seen:
            return
        self._seen[interaction.id] = None
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        task = asyncio.ensure_future(self._take(interaction))
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _take(self, interaction: Interaction) -> None:
        kind, data = interaction.type, dict(interaction.data or {})
        if kind is discord.InteractionType.autocomplete:
            await self._complete(interaction, data)
            return
        try:
            refusal = self._refusal(interaction)
            if refusal is not None:
                await self._answers.answer(interaction, lambda: refusal, self._front(interaction))
            elif kind is discord.InteractionType.application_command:
                await self._command(interaction, data)
            elif kind is discord.InteractionType.component:
                await self._component(interaction, str(data.get("custom_id", "")))
            elif kind is discord.InteractionType.modal_submit:
                await self._form(interaction, data)
        except HowdahError as error:
            failed = dispatch.failure(error)
            await self._answers.answer(interaction, lambda: failed, self._front(interaction))
        except Exception as error:  # noqa: BLE001 - a fault of ours is one line for the person, as in dispatch
            failed = dispatch.unexpected(error)
            await self._answers.answer(interaction, lambda: failed, self._front(interaction))

    def _refusal(self, interaction: Interaction) -> Reply | None:
        """Only one server is served: whoever can add the bot to another one has no say here."""
        client = self._wire.client
        served = client.served() if client is not None else None  # type: ignore[attr-defined]
        if interaction.guild_id is not None and str(interaction.guild_id) == served:
            return None
        if client is None:
            return Reply("The bot has just lost Discord; try again in a moment.", exit=4, error=True)
        if served is None:
            cure = "whoever runs it names one in howdah.yaml: discord: {guild: ID}"
            return Reply(f"The bot is in several servers and serves none: {cure}", exit=4, error=True)
        return Reply("This bot serves another server, and no private messages.", exit=4, error=True)

    async def _command(self, interaction: Interaction, data: dict[str, Any]) -> None:
        typed = tree.read(data)
        if typed.command.menu:
            await self._add(interaction, typed.command, data)
            return
        front = self._front(interaction)
        if forms.may_ask(typed):
            form = await self._first(lambda: forms.needed(typed, self._new_call(typed.command, front)))
            if form is not None:
                await self._open(interaction, lambda: forms.modal(form, self._new_call(typed.command, front)))
                return
        key = f"discord:{interaction.id}"
        await self._answers.answer(interaction, lambda: self._run(typed, front, key), front)

    async def _component(self, interaction: Interaction, custom_id: str) -> None:
        front = self._front(interaction)
        pressed = presses.parse(custom_id)
        if pressed is not None and pressed.form:
            await self._open(interaction, lambda: forms.of_press(pressed, self._store))
        elif pressed is not None:
            await self._answers.answer(
                interaction, lambda: self._press(pressed, front, interaction.id), front
            )
        elif not forms.is_ours(custom_id):
            raise presses.Stale("this button is of an earlier howdah")
        elif typed := forms.ready(custom_id, self._message(interaction)):
            key = f"discord:{self._message(interaction).get('id')}:go"  # of two clicks on one message one counts
            await self._answers.answer(interaction, lambda: self._run(typed, front, key), front, key)
        else:
            form = forms.reopened(self._message(interaction))
            call = self._new_call(dispatch.find(form.command), front)
            await self._open(interaction, lambda: forms.modal(form, call))

    async def _form(self, interaction: Interaction, data: dict[str, Any]) -> None:
        """A form comes back: it is carried out, or comes again with what is wrong, or with its next page."""
        front, message = self._front(interaction), self._message(interaction)
        pressed = forms.pressed(data)

        def work() -> Reply | dict[str, Any]:
            if pressed is not None:
                reply = self._press(pressed, front, interaction.id, forms.read_modal(data))
                call = self._new_call(dispatch.find("status"), front)
            else:
                call = self._new_call(dispatch.find(forms.command_of(data)), front)
                sent = forms.submitted(data, message, call)
                if isinstance(sent, keeping.Form):
                    return forms.again(sent, "")
                reply = self._run(sent, front, f"discord:{interaction.id}")
            if reply.error and reply.exit == BadInput.exit_code and reply.view is not None:
                return forms.again(forms.kept(data, message, call), views.plain(reply.view))
            return forms.given_back(reply, data) if reply.error else reply

        await self._answers.answer(interaction, work, front)

    async def _add(self, interaction: Interaction, command: Command, data: dict[str, Any]) -> None:
        """A message of the channel is put on the timeline, with what is attached to it."""
        message = next(iter((data.get("resolved") or {}).get("messages", {}).values()))
        front = self._front(interaction)
        front.quoted = quoting.quoted(message, front.place, self._wire)
        key = front.quoted.key
        await self._answers.answer(
            interaction, lambda: self._run(tree.Typed(command, {}), front, key), front, key
        )

    async def pinned(self, payload: discord.RawReactionActionEvent) -> None:
        """A pin on a message of an incident's thread: as the menu's entry. A sign under it says that it is done."""
        channel = str(payload.channel_id)
        incident = self._rooms.incident_in(channel)
        command = next((c for c in vocabulary.registry().values() if c.menu), None)
        if incident is None or payload.member is None or payload.member.bot or command is None:
            return
        client = self._wire.client
        if client is None or str(payload.guild_id) != client.served():  # type: ignore[attr-defined]
            return
        ids = {"channel_id": channel, "message_id": str(payload.message_id)}
        place = Place(str(payload.guild_id), channel, channel)
        front = DiscordFront(str(payload.user_id), payload.member.name, place, incident)
        path = "/channels/{channel_id}/messages/{message_id}"
        try:
            front.quoted = quoting.quoted(await self._wire.ask("GET", path, ids), place, self._wire)
            typed, key = tree.Typed(command, {}), front.quoted.key
            reply = await self._answers.in_thread(lambda: self._run(typed, front, key))
            if reply.error:
                await self._answers.say_aloud(
                    front, render.reply(reply, say=tree.spoken)[0], payload.message_id
                )
            else:
                await self._wire.ask("PUT", f"{path}/reactions/{{emoji}}/@me", {**ids, "emoji": DONE})
        except HowdahError as error:
            self._call.warn(f"a pinned message was not added: {error}")

    # -- carrying out

    def _front(self, interaction: Interaction) -> DiscordFront:
        channel = interaction.channel
        parent = getattr(channel, "parent_id", None) if isinstance(channel, discord.Thread) else None
        where = str(interaction.channel_id) if interaction.channel_id is not None else None
        place = Place(
            str(interaction.guild_id) if interaction.guild_id is not None else None,
            str(parent) if parent is not None else where,
            where if parent is not None else None,
        )
        user = interaction.user
        return DiscordFront(str(user.id), user.name, place, self._rooms.incident_in(where))

    def _new_call(self, command: Command, front: DiscordFront) -> Call:
        from chatops.vocabulary import Call

        return Call(command, front, self._places(None), now=clock.wall(), store=self._store)

    def _places(self, key: str | None) -> Places:
        return Places(self._store.path, self._call.places.config, None, key)

    def _run(self, typed: Typed, front: DiscordFront, key: str) -> Reply:
        return dispatch.run(typed.command, typed.raw, front, self._places(key), store=self._store)

    def _press(
        self, pressed: presses.Pressed, front: DiscordFront, id: int, given: dict[str, Any] | None = None
    ) -> Reply:
        front.incident = pressed.incident
        by = front.who(self._call.config).actor.id
        places = self._places(f"discord:{id}")
        return presses.carry_out(pressed, front, places, store=self._store, by=by, given=given)

    async def _first(self, work: Callable[[], T]) -> T | None:
        """A look-up before the first answer; None where it takes too long."""
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(
                asyncio.get_running_loop().run_in_executor(self._looks, work), FIRST
            )
        return None

    # -- forms and completion

    async def _open(self, interaction: Interaction, make: Callable[[], dict[str, Any]]) -> None:
        """A form is the first answer, so it is made within FIRST or not at all."""
        drawn = await self._first(make)
        if drawn is None:
            raise PlatformDown("the form took too long to make", hint="try again")
        with contextlib.suppress(Exception):  # expired, or cut: the person sees that, and clicks again
            await interaction.response.send_modal(Drawn(drawn))

    async def _complete(self, interaction: Interaction, data: dict[str, Any]) -> None:
        """What fits what is typed; nothing where it cannot be found in time, or for another server."""
        found: list[Option] | None = []
        with contextlib.suppress(HowdahError):
            if self._refusal(interaction) is None:
                typed, front = tree.read(data), self._front(interaction)
                found = await self._first(lambda: tree.complete(typed, self._new_call(typed.command, front)))
        choices = [discord.app_commands.Choice(name=one.label, value=one.value) for one in found or ()]
        with contextlib.suppress(Exception):  # too late, or cut: more is typed, and it is asked for again
            await interaction.response.autocomplete(choices)

    def _message(self, interaction: Interaction) -> dict[str, Any]:
        """Our own message that a component or a form stands under, as far as its text goes."""
        message = interaction.message
        if message is None:
            return {}
        return {
            "id": str(message.id),
            "content": message.content,
            "embeds": [e.to_dict() for e in message.embeds],
        }


class Drawn(discord.ui.Modal, title="howdah"):
    """A form that was made elsewhere; the library keeps nothing of it."""

    def __init__(self, data: dict[str, Any]):
        super().__init__()
        self._drawn = data
        self.stop()

    def to_dict(self) -> dict[str, Any]:
        return self._drawn
