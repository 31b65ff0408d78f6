"""Laws of the record: order, chain and head for any words; a repeat changes nothing; no change goes unseen."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import itertools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incidents import events, verify
from incidents.canonical import canonical
from incidents.errors import StoreError
from incidents.events import Draft, Event
from incidents.store import open_store
from incidents.store.embedded import EmbeddedStore
from incidents.store.protocol import Store
from tests.drafts import NOVA, ROBIN, note

texts = st.text(max_size=40)
data = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
words = st.builds(
    lambda stream, body, data, actor: Draft(
        stream=stream, kind="x.law", actor=actor, body=body, data={"d": data}
    ),
    st.sampled_from("abc"),
    texts,
    data,
    st.sampled_from([ROBIN, NOVA]),
)
_example = itertools.count()


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with tempfile.TemporaryDirectory() as folder, open_store(os.path.join(folder, "store.db")) as opened:
        yield opened


def header_of(event: Event) -> str:
    """An event's header, from what the store gives back."""
    h = event
    return canonical(
        {
            "actor": {"id": h.actor.id, "type": h.actor.type},
            **{name: getattr(h, name) for name in ("at", "boot", "cause", "id", "importance", "key", "kind")},
            **{
                name: getattr(h, name) for name in ("milestone", "mode", "mono", "prev", "recorded_at", "run")
            },
            **{name: getattr(h, name) for name in ("seq", "step", "stream", "until", "v", "visibility")},
            "payload": _digest[h.id],
        }
    )


_digest: dict[str, str] = {}


@settings(deadline=None, max_examples=60)
@given(groups=st.lists(st.lists(words, min_size=1, max_size=4), min_size=1, max_size=6))
def test_whatever_is_said_is_kept_in_order_and_chained(store: Store, groups: list[list[Draft]]) -> None:
    prefix = f"{next(_example)}-"
    before = store.head()
    said: list[Draft] = []
    for group in groups:
        placed = [_in(draft, prefix) for draft in group]
        store.append(placed)
        said += placed
    kept = store.tail(before.pos)
    assert [(e.stream, e.body, e.data, e.actor) for e in kept] == [
        (d.stream, d.body, d.data, d.actor) for d in said
    ]
    head = bytes.fromhex(before.hash)
    tails: dict[str, tuple[int, str]] = {}
    rows = {row.pos: row for row in store.stored(before.pos)}
    for pos, event in enumerate(kept, before.pos + 1):
        seq, prev = tails.get(event.stream, (0, "0" * 64))
        assert (event.pos, event.seq, event.prev) == (pos, seq + 1, prev)
        _digest[event.id] = rows[pos].header.payload  # type: ignore[union-attr]
        assert hashlib.sha256(header_of(event).encode()).hexdigest() == event.hash
        head = events.next_head(head, pos, bytes.fromhex(event.hash))
        tails[event.stream] = (event.seq, event.hash)
    assert store.head() == (before.pos + len(said), head.hex())


def _in(draft: Draft, prefix: str) -> Draft:
    return Draft(
        stream=prefix + draft.stream, kind=draft.kind, actor=draft.actor, body=draft.body, data=draft.data
    )


@settings(deadline=None, max_examples=40)
@given(
    bodies=st.lists(texts, min_size=1, max_size=5),
    order=st.lists(st.integers(0, 4), max_size=12),
)
def test_a_repeat_in_any_order_and_number_changes_nothing(
    store: Store, bodies: list[str], order: list[int]
) -> None:
    stream = f"{next(_example)}-repeat"
    drafts = [note(body, stream=stream, key=f"{stream}-{n}") for n, body in enumerate(bodies)]
    first = [store.append([draft])[0] for draft in drafts]
    head = store.head()
    for number in order:
        again = store.append([drafts[number % len(drafts)]])[0]
        assert again.replayed and again.id == first[number % len(drafts)].id
    assert store.append(drafts) == [_replayed(event) for event in first]
    assert store.head() == head


def _replayed(event: Event) -> Event:
    return dataclasses.replace(event, replayed=True)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, bytes, list[Event]]]:
    """A store's file that holds everything, its bytes and its events."""
    path = tmp_path_factory.mktemp("small") / "store.db"
    with open_store(str(path)) as store:
        for number in range(30):
            store.append([note(f"{number} " + "word " * (number % 7 * 20), stream="ab"[number % 2])])
        kept = store.tail(0)
        assert isinstance(store, EmbeddedStore)
        assert store.exclusively(lambda db: db.checkpoint())  # else the log holds it
    yield path, path.read_bytes(), kept


@settings(deadline=None, max_examples=60)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), seed=st.data())
def test_no_changed_byte_of_the_file_goes_unseen(
    small: tuple[Path, bytes, list[Event]], place: float, bit: int, seed: Any
) -> None:
    """Either the file is refused, or verify finds it, or the byte held nothing of the record."""
    path, whole, kept = small
    used = [n for n in range(0, len(whole), 4096) if any(whole[n : n + 4096])]
    page = seed.draw(st.sampled_from(used))
    at = page + int(place * 4096)
    changed = bytearray(whole)
    changed[at] ^= 1 << bit
    path.write_bytes(changed)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(str(path) + "-wal")
    try:
        with open_store(str(path)) as store:
            report = verify.verify(store)
            if not report.findings:
                assert store.tail(0) == kept
                assert report.events == len(kept)
    except StoreError:
        pass  # refused, with exit 5
