"""Laws of the file of schedules: nothing in it does more than be refused, and what is sound means what it says."""

from __future__ import annotations

import copy
import datetime
import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from incidents import clock
from incidents.errors import Mistakes
from incidents.oncall import reading
from incidents.oncall.resolve import Resolver
from incidents.oncall.schedule import (
    DAYS,
    FIRST,
    LAST,
    OVERRIDES,
    SWAP_STATUSES,
    UNITS,
    Absence,
    Layer,
    Override,
    Rotation,
    Schedule,
    Shift,
    Swap,
    Temporary,
    Window,
    moment_of,
    wall_of,
)  # fmt: skip

DOCS = Path(__file__).parents[2] / "docs" / "oncall.md"
EXAMPLE = DOCS.read_text().split("```yaml\n", 1)[1].split("```", 1)[0]


def read_or_mistakes(text: str) -> reading.Read | None:
    """None where there are mistakes, all inside the text and with a cure; reading raises nothing else."""
    bottom = text.count("\n") + 2  # what YAML misses, it may miss after the last line
    try:
        read = reading.loads(text, "f")
    except Mistakes as error:
        assert error.mistakes
        for one in error.mistakes:
            assert 1 <= one.line <= bottom and one.column >= 1 and one.message, one
        return None
    for one in read.doubts:
        assert 1 <= one.line <= bottom and one.hint
    return read


def answered(read: reading.Read | None) -> None:
    """What was read can be asked."""
    for schedule in read.schedules.values() if read else ():
        resolver = Resolver(schedule)
        start = clock.parse_iso("2022-12-24T00:00:00Z")
        resolver.on_call(start)
        resolver.shifts(start, start + 2 * clock.DAY)
        resolver.handoffs(start, start + clock.DAY)


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("schedules:-[]{}'\"|>&*!#?, \n\t0"), max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    read_or_mistakes(text)
    read_or_mistakes(f"schedules:\n  infra:\n    layers: {text}")


WORDS = (
    "", "x", "hazel", "mon", "week", "month", "hour", "union", "UTC", "Europe/Berlin", "active_day", "replace_all", "remove_user",
    "2022-11-07T09:00", "2022-11-07", "2022-12-24T00:00:00Z", "2022-12-24T12:00:00+14:00", "9000-12-31T23:59:59-12:00", "1900-01-01T00:00",
    "22:00", "24:00", "0", "-1", "9000", "9" * 20, "true", "é", "\x7f", "a" * 70,
)  # fmt: skip
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-3, 10_001), st.just(1.5), st.sampled_from(WORDS))
KEYS = st.sampled_from(("id", "users", "start", "end", "kind", "days", "rotation", "unit", "x", "from", "to"))
GARBAGE = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=5,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every node."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(inner for key, one in items for inner in places(one, (*path, key)))]


def put(root: Any, path: tuple[Any, ...], value: Any, how: str) -> Any:
    if not path:
        return value
    node = root
    for key in path[:-1]:
        node = node[key]
    if how == "drop":
        del node[path[-1]]
    elif how == "beside" and isinstance(node, dict):
        node[f"{path[-1]}s"] = value
    elif how == "beside":
        node.insert(path[-1], value)
    else:
        node[path[-1]] = value
    return root


def whole() -> dict[str, Any]:
    from incidents import yamlfile

    plain: dict[str, Any] = yamlfile.parse(EXAMPLE, "f").plain()
    return plain


WHOLE = whole()


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_garbage_at_any_node_is_refused_or_can_be_answered(data: st.DataObject) -> None:
    """Nodes replaced, dropped, or joined by another: sound and answerable, or mistakes with their places."""
    root = copy.deepcopy(WHOLE)
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(places(root)))
        root = put(
            root, path, data.draw(GARBAGE), data.draw(st.sampled_from(("put", "put", "drop", "beside")))
        )
    answered(read_or_mistakes(json.dumps(root, indent=1, ensure_ascii=False)))  # fmt: skip


# -- written and read back -----------------------------------------------------------------------------------

NAMES = st.from_regex(r"\A[A-Za-z0-9_][A-Za-z0-9._-]{0,5}\Z")
GROUPS = st.lists(NAMES, max_size=3, unique=True).map(tuple)
ZONES = st.sampled_from(("UTC", "Europe/Berlin", "Asia/Kathmandu", "Pacific/Apia", "Australia/Lord_Howe"))
EDGES = wall_of(datetime.datetime(1901, 1, 1)), wall_of(datetime.datetime(8999, 1, 1))  # noqa: DTZ001 - wall time
SECONDS = st.integers(EDGES[0] // clock.SECOND, EDGES[1] // clock.SECOND).map(lambda s: s * clock.SECOND)
SPANS = st.tuples(SECONDS, st.integers(1, 10**9)).map(
    lambda pair: (pair[0], min(pair[0] + pair[1] * clock.SECOND, EDGES[1] + clock.DAY))
)


@st.composite
def rotations(draw: st.DrawFn) -> Rotation:
    unit = draw(st.sampled_from(UNITS))
    active = draw(st.booleans())
    elapsed = draw(st.booleans()) and unit != "month" and not active
    people = draw(st.lists(GROUPS, min_size=1, max_size=4).map(tuple))
    return Rotation(unit, draw(st.integers(1, 9000)), draw(SECONDS), people, draw(ZONES), active, elapsed)


@st.composite
def windows(draw: st.DrawFn) -> Window:
    days = draw(st.lists(st.booleans(), min_size=7, max_size=7).filter(any).map(tuple))
    start = draw(st.integers(0, 86_399))
    end = draw(st.integers(1, 86_400).filter(lambda end: end != start))
    if end == 86_400 and start > 0 and draw(st.booleans()):
        end = 0  # the same, written 00:00
    return Window(days, start * clock.SECOND, (end if end > start else end + 86_400) * clock.SECOND)


@st.composite
def layers(draw: st.DrawFn, name: str) -> Layer:
    turning = draw(st.none() | rotations())
    since, until = draw(st.just((FIRST, LAST)) | SPANS)
    return Layer(
        name, draw(ZONES), draw(st.integers(-5, 5)), turning, () if turning else draw(GROUPS),
        tuple(draw(st.lists(windows(), max_size=2))), since, until,
    )  # fmt: skip


@st.composite
def overrides(draw: st.DrawFn, level: int) -> Override:
    kind = draw(st.sampled_from(OVERRIDES))
    one, other = draw(st.lists(NAMES, min_size=2, max_size=2, unique=True))
    users = draw(GROUPS) if kind == "replace_all" else ()
    remove = one if kind in ("replace_user", "remove_user") else ""
    return Override(kind, *draw(SPANS), level, users, remove, other if kind in ("replace_user", "add_user") else "")  # fmt: skip


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    def some(make: Any) -> tuple[Any, ...]:
        return tuple(draw(st.lists(make, max_size=2)))

    names = draw(st.lists(NAMES, max_size=3, unique=True))
    swaps = st.builds(
        lambda two, span, status: Swap(two[0], two[1], span[0], span[1], status),
        st.lists(NAMES, min_size=2, max_size=2, unique=True), SPANS, st.sampled_from(SWAP_STATUSES),
    )  # fmt: skip
    shifts = st.builds(lambda users, span: Shift(users, *span), GROUPS, SPANS)
    return Schedule(
        draw(NAMES), draw(ZONES), draw(st.booleans()),
        tuple(draw(layers(name)) for name in names),
        tuple(draw(overrides(level)) for level in range(draw(st.integers(0, 3)))),
        some(swaps),
        some(st.builds(lambda span, inner: Temporary(span[0], span[1], tuple(inner)), SPANS, st.lists(shifts, max_size=2))),
        some(st.builds(lambda user, span, why: Absence(user, span[0], span[1], why), NAMES, SPANS, st.text("aé:#'\"{}\\- ", max_size=9))),
    )  # fmt: skip


def written(schedule: Schedule) -> str:
    """A file with this one schedule, every key given."""
    body = {
        "timezone": schedule.zone,
        "resolution": "union" if schedule.union else "highest_level",
        "layers": [_layer(layer) for layer in schedule.layers],
        "overrides": [_override(override) for override in schedule.overrides],
        "swaps": [
            {"from": s.giver, "to": s.to, **_span(s.start, s.end), "status": s.status} for s in schedule.swaps
        ],
        "temporary": [
            {
                **_span(t.start, t.end),
                "shifts": [{"users": list(s.users), **_span(s.start, s.end)} for s in t.shifts],
            }
            for t in schedule.temporary
        ],
        "absences": [{"user": a.user, **_span(a.start, a.end), "why": a.why} for a in schedule.absences],
    }
    return json.dumps({"schedules": {schedule.name: body}}, indent=1, ensure_ascii=False)


def _instant(at: int) -> str:
    """Written with an offset that depends on it, so that many are seen."""
    minutes = at // clock.SECOND % 1440
    shown = moment_of(at + minutes * clock.MINUTE).isoformat()
    return f"{shown}+{minutes // 60:02}:{minutes % 60:02}" if minutes else f"{shown}Z"


def _span(start: int, end: int) -> dict[str, str]:
    return {"start": _instant(start), "end": _instant(end)}


def _override(override: Override) -> dict[str, Any]:
    who: dict[str, Any] = {"users": list(override.users)} if override.kind == "replace_all" else {}
    who |= {key: name for key in ("remove", "add") if (name := getattr(override, key))}
    return {
        "kind": override.kind,
        **who,
        **_span(override.start, override.end),
        "level": str(override.level),
    }


def _layer(layer: Layer) -> dict[str, Any]:
    found: dict[str, Any] = {"id": layer.id, "timezone": layer.zone, "level": layer.level}
    if layer.rotation:
        turning = layer.rotation
        found["rotation"] = {
            "unit": turning.unit,
            "length": turning.length,
            "start": moment_of(turning.start).isoformat(),
            "participants": [list(group) for group in turning.participants],
            "timezone": turning.zone,
            "advance": "active_day" if turning.active_day else "calendar",
            "elapsed": turning.elapsed,
        }
    else:
        found["users"] = list(layer.users)
    found["windows"] = [
        {
            "days": [day for day, named in zip(DAYS, window.days, strict=True) if named],
            "start": _of_day(window.start),
            "end": _of_day(window.end if window.end <= clock.DAY else window.end - clock.DAY),
        }
        for window in layer.windows
    ]
    if (layer.since, layer.until) != (FIRST, LAST):
        found |= {"from": _instant(layer.since), "until": _instant(layer.until)}
    return found


def _of_day(micros: int) -> str:
    seconds = micros // clock.SECOND
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


@settings(max_examples=120, deadline=None)
@given(schedules())
def test_a_written_schedule_is_read_back_the_same(schedule: Schedule) -> None:
    assert reading.loads(written(schedule), "f").schedules == {schedule.name: schedule}
