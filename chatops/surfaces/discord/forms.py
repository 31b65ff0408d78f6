"""Forms: what a bare command needs, a runbook's inputs, a step's outputs; asked in modals, and nothing is remembered.

What was typed lies in the form itself: in the custom_ids that come back with it, or, once a page is sent, in our own
message with the button that opens the next one. So a restart loses nothing. A modal cannot answer a modal, hence the
message between two pages and after a mistake. custom_ids: `hf:COMMAND:i:STATE` (the state goes on in those of the
fields, after a `:`), `hf:COMMAND:m` (the state lies in the message), `hf:open` and `hf:go` of the buttons; a form that
a button of a card opens has the button's own, `hd:…`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chatops import dispatch, permissions, presses
from chatops.surfaces.discord import fields, keeping, marking, tree, wanted
from chatops.surfaces.discord.fields import PAGE, Field
from chatops.surfaces.discord.keeping import OURS, PAIRS, PARAMS
from chatops.surfaces.discord.keeping import Form as Form
from chatops.surfaces.discord.tree import Typed
from chatops.views import Stack, Text
from chatops.vocabulary import Reply
from incidents.errors import BadInput, HowdahError, NotFound

if TYPE_CHECKING:
    from chatops.vocabulary import Call
    from incidents.store.protocol import Store

OPEN, GO = "hf:open", "hf:go"  # custom_ids of the buttons under our message
TITLE, CONTENT = 45, 2000  # units of a modal's title, of a message


# -- is a form needed ----------------------------------------------------------------------------------------------


def may_ask(typed: Typed) -> bool:
    """Whether `needed` may find a form; looks at nothing but what was typed."""
    return _bare(typed) or wanted.pairs_of(typed.command) is not None


def _bare(typed: Typed) -> bool:
    return any(
        param.rest and param.required and not typed.raw.get(param.name) for param in typed.command.params
    )


def needed(typed: Typed, call: Call) -> Form | None:
    """The form that the command needs before it can be carried out; None where it can, or where it must fail anyway."""
    try:
        permissions.check(call)
        form = _needed(typed, call)
        return form if form is not None and _drawable(form, _shown(form, call)) else None
    except HowdahError:  # carrying it out says what is wrong, and records a refusal
        return None


def _needed(typed: Typed, call: Call) -> Form | None:
    command, raw = typed.command, {name: value for name, value in typed.raw.items() if value is not None}
    if _bare(typed):
        return Form(command.name, PARAMS, raw)
    known = wanted.wanted(command, raw, call)
    if known is None or not known.specs:
        return None
    given = wanted.given(raw.get(known.param.name))
    missing = any(spec.required and spec.name not in given for spec in known.specs.values())
    return Form(command.name, PAIRS, raw) if missing or known.param.name not in raw else None


def _fields(form: Form, call: Call) -> list[Field]:
    """All fields of all pages. Raises NotFound where what they are about is there no more."""
    command = dispatch.find(form.command)
    if form.asks == PARAMS:
        return fields.of_command(command, form.raw, call)
    known = wanted.wanted(command, form.raw, call)
    if known is None:
        raise NotFound(
            "what this form asks for is there no more", hint=f"begin again: {tree.where(command.name)}"
        )
    return fields.of_pairs(known, command, form.raw, call)


def _shown(form: Form, call: Call) -> list[Field]:
    found = _fields(form, call)
    return found[PAGE * form.page :][:PAGE] or found[-PAGE:]


# -- a form as Discord's modal -------------------------------------------------------------------------------------


def modal(form: Form, call: Call) -> dict[str, Any]:
    """The `data` of a callback of type 9. Raises NotFound, BadInput (too much was typed for a form)."""
    shown = _shown(form, call)
    ids = _drawable(form, shown)
    if ids is None:
        raise BadInput("too much was typed for a form", hint="give less of it at once")
    command = dispatch.find(form.command)
    title = command.help.rstrip(".")
    if form.asks == PAIRS:
        pages = -(-len(_fields(form, call)) // PAGE)
        page = f" ({form.page + 1} of {pages})" if pages > 1 else ""
        title = f"{form.raw.get('runbook') or form.raw.get('step') or command.name}{page}"
    return _modal(title, ids, shown)


def of_press(pressed: presses.Pressed, store: Store) -> dict[str, Any]:
    """The form that a button asks before it is carried out; it has the button's own custom_id.

    Raises Stale where the world has moved on since the button was drawn.
    """
    meant = presses.meaning(store, pressed.incident, pressed.seq, pressed.word)
    command = dispatch.find(meant.command)
    pairs = wanted.pairs_of(command)
    if pairs is not None:
        known = wanted.outputs(pairs, command.name, str(meant.raw.get("step")), store)
        shown = fields.of_pairs(known, command, meant.raw, None)
    else:
        shown = [one for one in fields.of_command(command, meant.raw, None) if one.id not in meant.raw]
    if not shown:
        raise BadInput(f"{command.name} needs nothing more", hint=f"give it as {tree.where(command.name)}")
    shown = shown[:PAGE]
    id = f"hd:{pressed.incident}:{pressed.seq}:{pressed.word}+"
    return _modal(command.help.rstrip("."), [id, *_names(shown)], shown)


def _modal(title: str, ids: Sequence[str], shown: Sequence[Field]) -> dict[str, Any]:
    components = [fields.drawn(field, id) for field, id in zip(shown, ids[1:], strict=True)]
    return {"custom_id": ids[0], "title": marking.bare(title, TITLE), "components": components}


def _drawable(form: Form, shown: Sequence[Field]) -> list[str] | None:
    """The custom_ids; None where something is too long for a form."""
    too_long = any(marking.units(field.value) > fields.TEXT for field in shown)
    return None if too_long else keeping.ids(form, _names(shown))


def _names(shown: Sequence[Field]) -> list[str]:
    return [field.id for field in shown]


# -- what comes back -----------------------------------------------------------------------------------------------


def is_ours(custom_id: str) -> bool:
    return custom_id.startswith(OURS)


def command_of(data: Mapping[str, Any]) -> str:
    """The command of a modal that came back."""
    return str(data.get("custom_id", "")).partition(":")[2].partition(":")[0]


def pressed(data: Mapping[str, Any]) -> presses.Pressed | None:
    """The button whose form came back; None for a form of a command."""
    return presses.parse(str(data.get("custom_id", "")))


def read_modal(data: Mapping[str, Any]) -> dict[str, Any]:
    """What was typed, by parameter, pairs as a list of `name=value`; fields left empty are left out."""
    return _merged({}, _values(data))


def _inputs(data: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The fields of a modal, of action rows and labels alike."""
    for part in data.get("components") or ():
        yield from part.get("components") or [part.get("component") or {}]


def _values(data: Mapping[str, Any]) -> dict[str, str]:
    """Field -> what stands in it; nothing is an empty text."""
    found = {}
    for one in _inputs(data):
        chosen = one.get("values") or ("",)
        found[str(one.get("custom_id", "")).partition(":")[0]] = str(one.get("value") or chosen[0])
    return found


def _merged(raw: Mapping[str, Any], typed: Mapping[str, str]) -> dict[str, Any]:
    """What was typed before, and over it what stands in the fields."""
    merged = {name: value for name, value in raw.items() if name not in typed}
    for id, text in typed.items():
        param, pair, name = id.partition("=")
        if not pair:
            merged |= {param: text} if text.strip() else {}
            continue
        others = [word for word in merged.get(param, ()) if word.partition("=")[0].strip() != name]
        merged[param] = [*others, f"{name}={text}"] if text else others
    return merged


def given_back(reply: Reply, data: Mapping[str, Any]) -> Reply:
    """The refusal `reply` with the texts that were typed under it: the form they stood in is closed."""
    texts = [str(one["value"]) for one in _inputs(data) if one.get("value") and "=" not in one["custom_id"]]
    if reply.view is None or not texts:
        return reply
    parts = reply.view.parts if isinstance(reply.view, Stack) else (reply.view,)
    view = Stack((*parts, Text("What you wrote is not recorded:"), Text("\n".join(texts), exact=True)))
    return Reply(view, reply.document, exit=reply.exit, error=reply.error, file="what-you-wrote.txt")


def kept(data: Mapping[str, Any], message: Mapping[str, Any], call: Call) -> Form:
    """The form that came back, with all that was typed into it by now. `message` is the one it was opened under."""
    press = pressed(data)
    if press is not None:
        meant = presses.meaning(call.store, press.incident, press.seq, press.word)
        asks = PAIRS if wanted.pairs_of(dispatch.find(meant.command)) is not None else PARAMS
        return Form(meant.command, asks, _merged(meant.raw, _values(data)))
    others = [str(one.get("custom_id", "")) for one in _inputs(data)]
    form = keeping.of_ids(str(data.get("custom_id", "")), others) or keeping.of_message(message)
    return form._replace(raw=_merged(form.raw, _values(data)), kept=False)


def submitted(data: Mapping[str, Any], message: Mapping[str, Any], call: Call) -> Typed | Form:
    """What is to be carried out; or the form again, at its next page or with what is `wrong` with this one.

    Raises NotFound for what is there no more, BadInput where more was typed than can be kept between two pages.
    """
    form = kept(data, message, call)
    if form.asks == PAIRS:
        wrong, bad = _mistakes(form, _values(data), call)
        if wrong:
            return form._replace(wrong=wrong, raw=keeping.without(form.raw, bad))
        left = _fields(form, call)[PAGE * (form.page + 1) :]
        if left:
            enough = not any(field.required for field in left)
            onward = form._replace(page=form.page + 1, enough=enough)
            if keeping.embeds(onward) is None:
                raise BadInput(
                    "too much was typed for a form of several pages", hint="put long texts into a file"
                )
            return onward
    return Typed(dispatch.find(form.command), dict(form.raw))


def _mistakes(form: Form, typed: Mapping[str, str], call: Call) -> tuple[str, set[str]]:
    """What is wrong with this page's values, a line each, and the fields whose values must not be kept."""
    from runbooks import inputs

    known = wanted.wanted(dispatch.find(form.command), form.raw, call)
    lines, secret = [], set()
    for id, text in typed.items():
        spec = known.specs.get(id.partition("=")[2]) if known is not None else None
        if spec is None or not text:
            continue
        try:
            value = inputs.read_value(spec, text)
            if spec.type == "secret" and value == "prompt":
                raise BadInput("a secret cannot be typed in a chat", hint="write env:NAME or file:/PATH")
        except BadInput as error:
            lines.append(f"{spec.name}: {error}")
            if spec.type == "secret":
                secret.add(id)
    return "\n".join(lines), secret


# -- between two pages, and after a mistake ------------------------------------------------------------------------


def again(form: Form, why: str) -> dict[str, Any]:
    """Our message with the button that opens the form: at its next page, or again because of `why`."""
    said = why or form.wrong
    if why and form.asks == PAIRS:
        form = form._replace(page=0)
    dropped = ""
    while (embeds := keeping.embeds(form)) is None:
        name = max(form.raw, key=lambda one: len(str(form.raw[one])))
        form = form._replace(raw=keeping.without(form.raw, [name]))
        dropped = f"\nWhat you wrote under {name} is too long to be kept here: copy it before you go on."
    text = tree.spoken(said) if said else "The next page asks for the rest."
    content = marking.prose(text, CONTENT - 200).text + dropped
    if not said and form.enough:
        content += " Nothing in it must be given."
    buttons = [_button(OPEN, "Try again" if said else "Next page", 1)]
    if form.enough and not said:
        buttons.append(_button(GO, "Start now", 3))
    return {
        "content": content,
        "embeds": embeds,
        "components": [{"type": 1, "components": buttons}],
        "allowed_mentions": {"parse": []},
    }


def _button(id: str, label: str, style: int) -> dict[str, Any]:
    return {"type": 2, "style": style, "label": label, "custom_id": id}


def reopened(message: Mapping[str, Any]) -> Form:
    """The form that our message keeps. Raises BadInput where it keeps none."""
    return keeping.of_message(message)


def ready(custom_id: str, message: Mapping[str, Any]) -> Typed | None:
    """What `Start now` carries out: the form as its message keeps it. None for other buttons."""
    if custom_id != GO:
        return None
    form = reopened(message)
    return Typed(dispatch.find(form.command), dict(form.raw))
