"""Events as rows of the embedded store: one order of columns, used for writing and for reading."""

from __future__ import annotations

from typing import Any

from incidents import events
from incidents.events import Event, Header, Sealed
from incidents.store.database import Value

COLUMNS = (
    *("pos", "stream", "seq", "prev", "hash"),
    *(
        "actor_id",
        "actor_type",
        "at",
        "boot",
        "cause",
        "id",
        "importance",
        "key",
        "kind",
        "milestone",
        "mode",
        "mono",
    ),
    *("digest", "recorded_at", "run", "step", "until", "v", "visibility", "salt", "payload"),
)
SELECT = f"SELECT {', '.join(COLUMNS)} FROM events"
_HEADER = slice(COLUMNS.index("actor_id"), COLUMNS.index("visibility") + 1)
_ID, _KEY = Header._fields.index("id"), Header._fields.index("key")
_DIGEST = Header._fields.index("payload")


def insert(count: int) -> str:
    """The statement that inserts `count` rows at once."""
    one = "(" + ",".join("?" * len(COLUMNS)) + ")"
    return f"INSERT INTO events ({', '.join(COLUMNS)}) VALUES {','.join([one] * count)}"


def row(sealed: Sealed, *, pos: int, stream: str, seq: int, prev: bytes, hash: bytes) -> tuple[Value, ...]:
    values: list[Value] = [pos, stream, seq, prev, hash, *sealed.header, sealed.salt, sealed.payload]
    values[5 + _DIGEST] = sealed.digest
    values[5 + _KEY] = sealed.draft.key
    return tuple(values)


def header(row: tuple[Any, ...]) -> Header:
    members = list(row[_HEADER])
    members[_DIGEST] = members[_DIGEST].hex()
    if members[_KEY] is None:
        members[_KEY] = members[_ID]
    return Header(*members)


def event(row: tuple[Any, ...], *, replayed: bool = False) -> Event:
    pos, stream, seq, prev, hash = row[:5]
    return events.opened(
        header(row),
        row[-1],
        stream=stream,
        seq=seq,
        pos=pos,
        prev=prev.hex(),
        hash=hash.hex(),
        replayed=replayed,
    )


def placed(sealed: Sealed, row: tuple[Any, ...]) -> Event:
    """The event of the row that `sealed` became."""
    pos, stream, seq, prev, hash = row[:5]
    return events.placed(sealed, stream=stream, seq=seq, pos=pos, prev=prev.hex(), hash=hash.hex())
