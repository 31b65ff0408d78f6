"""Answers to interactions: the callback, and the webhook of the interaction's token."""

from __future__ import annotations

import time
from typing import Any

from tests.chat.discord import posting, shapes
from tests.chat.discord.errors import JSON, invalid, refused
from tests.chat.discord.rest_messages import me
from tests.chat.discord.routes import Answer, Call, on
from tests.chat.discord.state import Channel, Interaction, Message, World

COMMAND, COMPONENT, AUTOCOMPLETE, MODAL = 2, 3, 4, 5
MESSAGE, DEFERRED, DEFERRED_UPDATE, UPDATE, CHOICES, SHOW_MODAL = 4, 5, 6, 7, 8, 9


def allowed(one: Interaction) -> set[int]:
    """The callback types that this interaction may be answered with."""
    if one.type == AUTOCOMPLETE:
        return {CHOICES}
    kinds = {MESSAGE, DEFERRED}
    if "message" in one.payload:
        kinds |= {DEFERRED_UPDATE, UPDATE}
    return kinds if one.type == MODAL else kinds | {SHOW_MODAL}


@on("POST", "/interactions/{interaction}/{token}/callback", tokenless=True)
def callback(call: Call) -> Answer:
    world = call.world
    one = world.interactions.get(call.params["interaction"])
    if one is None or one.token != call.params["token"]:
        raise refused(10062)
    if one.callback:
        raise refused(40060)
    if one.failed or world.clock.now() - one.at > world.settings.first_answer_s:
        raise refused(10062)
    kind, data = call.json["type"], call.json.get("data") or {}
    if kind not in allowed(one):
        text = f"Value must be one of {{{', '.join(map(str, sorted(allowed(one))))}}}."
        raise invalid(("type", "BASE_TYPE_CHOICES", text))
    channel = world.channel(one.channel)
    shown = _answer(call, one, channel, kind, data)
    one.callback, one.answered = kind, time.monotonic()
    world.changed()
    if call.query.get("with_response", "").lower() not in ("true", "1"):
        return Answer(204)
    return Answer(200, _response(world, one, shown))


def _answer(call: Call, one: Interaction, channel: Channel, kind: int, data: JSON) -> Message | None:
    """What people see of the first answer."""
    world = call.world
    if kind == CHOICES:
        one.choices = data.get("choices") or []
    elif kind == SHOW_MODAL:
        one.modal = data
    elif kind in (MESSAGE, DEFERRED):
        one.ephemeral = bool((data.get("flags") or 0) & shapes.EPHEMERAL)
        one.loading = kind == DEFERRED
        body = {"flags": data.get("flags")} if one.loading else data
        kept = _post(call, one, channel, body, loading=one.loading)
        one.original = kept.id
        return kept
    else:
        one.original = one.payload["message"]["id"]
        pressed = world.messages.get(one.original)
        if kind == UPDATE and pressed is not None:
            return posting.edit(world, pressed, data, call.files)
        return pressed
    return None


def _post(call: Call, one: Interaction, channel: Channel, body: JSON, *, loading: bool = False) -> Message:
    flags = body.get("flags") or 0
    ephemeral = bool(flags & shapes.EPHEMERAL)
    mentions = body.get("allowed_mentions")
    # In webhooks and interactions only people are pinged unless the body says otherwise.
    body = {**body, "allowed_mentions": mentions if mentions is not None else {"parse": ["users"]}}
    return posting.post(
        call.world,
        channel,
        me(call.world, channel),
        body,
        call.files,
        for_person=one.person if ephemeral else "",
        flags_extra=(shapes.LOADING if loading else 0) | (shapes.EPHEMERAL if ephemeral else 0),
        webhook_id=call.world.app_id,
        application_id=call.world.app_id,
        **_metadata(call.world, one),
    )


def _metadata(world: World, one: Interaction) -> JSON:
    shape: JSON = {
        "id": one.id,
        "type": one.type,
        "user": one.payload["member"]["user"],
        "authorizing_integration_owners": one.payload["authorizing_integration_owners"],
    }
    if one.type == COMMAND:
        shape |= {"name": one.payload["data"]["name"], "command_type": one.payload["data"]["type"]}
    elif one.type == COMPONENT:
        shape["interacted_message_id"] = one.payload["message"]["id"]
    elif one.type == MODAL:
        shape["triggering_interaction_metadata"] = {**shape, "type": COMMAND, "name": "", "command_type": 1}
    return {"interaction_metadata": shape}


def _response(world: World, one: Interaction, shown: Message | None) -> JSON:
    about: JSON = {"id": one.id, "type": one.type}
    if shown is None:
        return {"interaction": about}
    about["response_message_id"] = shown.id
    about["response_message_loading"] = one.loading
    about["response_message_ephemeral"] = bool(shown.for_person)
    resource = {"type": one.callback, "message": shapes.message(world, shown)}
    return {"interaction": about, "resource": resource}


WEBHOOK = "/webhooks/{app}/{token}"
ORIGINAL = WEBHOOK + "/messages/{message}"


def _webhook(call: Call) -> Interaction:
    """The interaction of the token: 10015 while nothing was sent, 50027 when it is too old."""
    world = call.world
    one = world.by_token.get(call.params["token"])
    if one is None or call.params["app"] != world.app_id:
        raise refused(10015)
    if world.clock.now() - one.at > world.settings.token_s:
        raise refused(50027)
    if not one.callback:
        raise refused(10015)
    world.channel(one.channel)
    return one


def _target(call: Call, one: Interaction) -> Message:
    wanted = call.params["message"]
    wanted = one.original if wanted == "@original" else wanted
    kept = call.world.messages.get(wanted)
    if kept is None or wanted not in (one.original, *one.followups):
        raise refused(10008)
    return kept


@on("POST", WEBHOOK, tokenless=True)
def followup(call: Call) -> Any:
    """A further message; right after a deferred answer it fills that one instead."""
    world, one = call.world, _webhook(call)
    if one.loading and one.original in world.messages:
        return shapes.message(world, _fill(call, one, world.messages[one.original]))
    kept = _post(call, one, world.channel(one.channel), call.json)
    one.followups.append(kept.id)
    world.changed()
    return shapes.message(world, kept)


def _fill(call: Call, one: Interaction, kept: Message) -> Message:
    """The deferred message gets its content."""
    if kept.wire["flags"] & shapes.LOADING:
        kept.wire["flags"] &= ~shapes.LOADING
    if kept.id == one.original:
        one.loading = False
    return posting.edit(call.world, kept, call.json, call.files)


@on("GET", ORIGINAL, tokenless=True)
def read(call: Call) -> JSON:
    kept = _target(call, _webhook(call))
    return posting.fresh(call.world, shapes.message(call.world, kept))


@on("PATCH", ORIGINAL, tokenless=True)
def edited(call: Call) -> JSON:
    one = _webhook(call)
    return shapes.message(call.world, _fill(call, one, _target(call, one)))


@on("DELETE", ORIGINAL, tokenless=True)
def deleted(call: Call) -> None:
    one = _webhook(call)
    kept = _target(call, one)
    if kept.id == one.original:
        one.loading = False
    posting.remove(call.world, kept)
