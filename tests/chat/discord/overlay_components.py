"""Components written out by hand: buttons, selects, rows, containers, modals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.chat.discord.shapes import components as every
from tests.chat.discord.specs import (
    Check,
    Mistake,
    anything,
    both,
    by_type,
    flag,
    items,
    one_of,
    shape,
    snowflake,
    text,
    under,
    whole,
)

ROW, BUTTON, STRING, INPUT, SECTION, TEXT, THUMBNAIL, GALLERY, FILE, SEPARATOR = (
    1,
    2,
    3,
    4,
    9,
    10,
    11,
    12,
    13,
    14,
)
CONTAINER, LABEL = 17, 18
V2_TYPES = {SECTION, TEXT, THUMBNAIL, GALLERY, FILE, SEPARATOR, CONTAINER}
MOST, ROWS, BUTTONS_A_ROW, V2_TEXT = 40, 5, 5, 4000

number = whole(0, (1 << 31) - 1)
emoji = shape(id=snowflake, name=text(0, 32), animated=flag)
custom_id = text(1, 100)
select_option = shape(
    "label value",
    label=text(1, 100),
    value=text(1, 100),
    description=text(0, 100),
    emoji=emoji,
    default=flag,
)


def _button_has(value: Any, path: str) -> Iterator[Mistake]:
    """custom_id for the first four styles, url for links, sku_id for 6; a label or an emoji for all but 6."""
    style = value["style"]
    wanted = {5: "url", 6: "sku_id"}.get(style, "custom_id")
    for key in ("custom_id", "url", "sku_id"):
        there = value.get(key) is not None
        if key == wanted and not there:
            told = f"A {key} is required" if key != "custom_id" else "A custom id is required"
            yield Mistake(under(path, key), "COMPONENT_CUSTOM_ID_REQUIRED", told)
        if key != wanted and there:
            yield Mistake(under(path, key), "BUTTON_COMPONENT_FIELD_FORBIDDEN", f"Style {style} has no {key}")
    if style != 6 and not (value.get("label") or value.get("emoji")):
        told = "A button must have a label or an emoji"
        yield Mistake(path, "BUTTON_COMPONENT_INVALID_LABEL", told)


button = both(
    shape(
        "type style",
        type=one_of(BUTTON),
        id=number,
        style=whole(1, 6),
        label=text(0, 80),
        emoji=emoji,
        custom_id=custom_id,
        sku_id=snowflake,
        url=text(1, 512),
        disabled=flag,
    ),
    _button_has,
)


def _select_numbers(value: Any, path: str) -> Iterator[Mistake]:
    low, high = value.get("min_values"), value.get("max_values")
    low, high = 1 if low is None else low, 1 if high is None else high
    if low > high:
        yield Mistake(under(path, "min_values"), "SELECT_COMPONENT_VALUES", "min_values is above max_values")
    options = value.get("options")
    if options is None:
        return
    if high > len(options):
        told = f"max_values is {high}, there are {len(options)} options"
        yield Mistake(under(path, "max_values"), "SELECT_COMPONENT_VALUES", told)
    seen: set[str] = set()
    for index, one in enumerate(options):
        if one["value"] in seen:
            told = "The specified option value is already used"
            where = under(path, f"options.{index}.value")
            yield Mistake(where, "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED", told)
        seen.add(one["value"])


def _select(kind: int) -> Check:
    fields: dict[str, Check] = {
        "type": one_of(kind),
        "id": number,
        "custom_id": custom_id,
        "placeholder": text(0, 150),
        "min_values": whole(0, 25),
        "max_values": whole(1, 25),
        "disabled": flag,
        "required": flag,
    }
    if kind == STRING:
        fields["options"] = items(select_option, 1, 25)
        return both(shape("type custom_id options", **fields), _select_numbers)
    fields["default_values"] = items(
        shape("id type", id=snowflake, type=one_of("user", "role", "channel")), 0, 25
    )
    if kind == 8:
        fields["channel_types"] = items(whole(0, 16), 0, 20)
    return both(shape("type custom_id", **fields), _select_numbers)


selects = {kind: _select(kind) for kind in (3, 5, 6, 7, 8)}


def _row_width(value: Any, path: str) -> Iterator[Mistake]:
    kinds = [one["type"] for one in value["components"]]
    menus = sum(kind != BUTTON for kind in kinds)
    if (menus and len(kinds) > 1) or len(kinds) > BUTTONS_A_ROW:
        told = "The specified component exceeds the maximum width"
        yield Mistake(under(path, "components"), "COMPONENT_LAYOUT_WIDTH_EXCEEDED", told)


row = both(
    shape(
        "type components",
        type=one_of(ROW),
        id=number,
        components=items(by_type({BUTTON: button, **selects}), 1, BUTTONS_A_ROW),
    ),
    _row_width,
)
media = shape("url", url=text(1, 2048))
text_display = shape("type content", type=one_of(TEXT), id=number, content=text(1, V2_TEXT))
thumbnail = shape(
    "type media", type=one_of(THUMBNAIL), id=number, media=media, description=text(0, 1024), spoiler=flag
)
section = shape(
    "type components accessory",
    type=one_of(SECTION),
    id=number,
    components=items(by_type({TEXT: text_display}), 1, 3),
    accessory=by_type({BUTTON: button, THUMBNAIL: thumbnail}),
)
gallery = shape(
    "type items",
    type=one_of(GALLERY),
    id=number,
    items=items(shape("media", media=media, description=text(0, 1024), spoiler=flag), 1, 10),
)
file = shape("type file", type=one_of(FILE), id=number, file=media, spoiler=flag)
separator = shape("type", type=one_of(SEPARATOR), id=number, divider=flag, spacing=one_of(1, 2))
inside = {
    ROW: row,
    SECTION: section,
    TEXT: text_display,
    GALLERY: gallery,
    FILE: file,
    SEPARATOR: separator,
}
container = shape(
    "type components",
    type=one_of(CONTAINER),
    id=number,
    components=items(by_type(inside), 1, MOST),
    accent_color=whole(0, 0xFFFFFF),
    spoiler=flag,
)
v1 = items(by_type({ROW: row}), 0, ROWS)
v2 = items(by_type({**inside, CONTAINER: container}), 0, MOST)


def tree(value: list[Any], path: str) -> Iterator[Mistake]:
    """What holds over all components of a message or modal: how many, and no custom_id twice."""
    total, seen, letters = 0, set[str](), 0
    for one in every(value):
        total += 1
        key = one.get("custom_id")
        if key is not None and key in seen:
            told = f"Component custom id cannot be duplicated: {key}"
            yield Mistake(path, "COMPONENT_CUSTOM_ID_DUPLICATED", told)
        seen |= {key} if key is not None else set()
        letters += len(one["content"]) if one["type"] == TEXT else 0
    if total > MOST:
        told = f"The total number of components cannot exceed {MOST}"
        yield Mistake(path, "BASE_TYPE_MAX_LENGTH", told)
    if letters > V2_TEXT:
        told = f"The total length of text cannot exceed {V2_TEXT}"
        yield Mistake(path, "COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED", told)


def _input(*, own_label: bool) -> Check:
    fields: dict[str, Check] = {
        "type": one_of(INPUT),
        "id": number,
        "custom_id": custom_id,
        "style": one_of(1, 2),
        "min_length": whole(0, 4000),
        "max_length": whole(1, 4000),
        "required": flag,
        "value": text(0, 4000),
        "placeholder": text(0, 100),
    }
    if own_label:
        fields["label"] = text(1, 45)
    return both(shape("type custom_id style" + " label" * own_label, **fields), _input_lengths)


def _input_lengths(value: Any, path: str) -> Iterator[Mistake]:
    low, high = value.get("min_length") or 0, value.get("max_length") or 4000
    if low > high:
        yield Mistake(under(path, "min_length"), "TEXT_INPUT_LENGTHS", "min_length is above max_length")
    filled = value.get("value")
    if filled and not low <= len(filled) <= high:
        told = f"Must be between {low} and {high} in length."
        yield Mistake(under(path, "value"), "BASE_TYPE_BAD_LENGTH", told)


_choice = shape("label value", label=text(1, 100), value=text(1, 100), description=text(0, 100), default=flag)
_group: dict[str, Check] = {"id": number, "custom_id": custom_id, "required": flag}
in_label = {
    **selects,
    INPUT: _input(own_label=False),
    19: shape("type custom_id", type=one_of(19), min_values=whole(0, 10), max_values=whole(1, 10), **_group),
    21: shape("type custom_id options", type=one_of(21), options=items(_choice, 2, 10), **_group),
    22: shape(
        "type custom_id options",
        type=one_of(22),
        options=items(_choice, 1, 10),
        min_values=whole(0, 10),
        max_values=whole(1, 10),
        **_group,
    ),
    23: shape("type custom_id", type=one_of(23), id=number, custom_id=custom_id, default=flag),
}
label = shape(
    "type label component",
    type=one_of(LABEL),
    id=number,
    label=text(1, 45),
    description=text(0, 100),
    component=by_type(in_label),
)
input_row = shape(
    "type components",
    type=one_of(ROW),
    id=number,
    components=items(by_type({INPUT: _input(own_label=True)}), 1, 1),
)


def _whole_tree(value: Any, path: str) -> Iterator[Mistake]:
    yield from tree(value["components"], under(path, "components"))


modal = both(
    shape(
        "custom_id title components",
        custom_id=custom_id,
        title=text(1, 45),
        components=items(by_type({ROW: input_row, LABEL: label, TEXT: text_display}), 1, 5),
    ),
    _whole_tree,
)
__all__ = ["V2_TYPES", "anything", "modal", "tree", "v1", "v2"]
