"""An event's canonical form, its digests, its place in a chain: against vectors that never change."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

import pytest

from incidents import events
from incidents.clock import Reading
from incidents.errors import BadInput
from incidents.events import Actor, Draft, Evidence, Source, seal
from tests.drafts import draft, note

with open(os.path.join(os.path.dirname(__file__), "..", "vectors", "chain.json"), encoding="ascii") as f:
    VECTORS: list[dict[str, Any]] = json.load(f)["events"]


def by_the_book(value: Any) -> str:
    """RFC 8785 written down a second time, for values without floats."""
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: [*_units(name)])
        return "{" + ",".join(f"{by_the_book(name)}:{by_the_book(value[name])}" for name in names) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(by_the_book, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _units(text: str) -> list[int]:
    data = text.encode("utf-16-be")
    return [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]


def test_the_vectors_are_canonical_and_chained_by_an_independent_reading() -> None:
    head, tails = bytes(32), dict[str, str]()
    for vector in VECTORS:
        for member in ("payload", "header"):
            assert by_the_book(json.loads(vector[member])) == vector[member], vector["name"]
        salted = bytes.fromhex(vector["salt"]) + vector["payload"].encode()
        assert hashlib.sha256(salted).hexdigest() == vector["payload_digest"]
        header = json.loads(vector["header"])
        assert header["payload"] == vector["payload_digest"]
        assert header["prev"] == tails.get(vector["stream"], "0" * 64)
        event_hash = hashlib.sha256(vector["header"].encode()).digest()
        head = hashlib.sha256(head + vector["pos"].to_bytes(8, "big") + event_hash).digest()
        assert (event_hash.hex(), head.hex()) == (vector["hash"], vector["head"])
        tails[vector["stream"]] = vector["hash"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["name"]))
def test_what_we_seal_is_what_the_vectors_say(vector: dict[str, Any]) -> None:
    header, payload = json.loads(vector["header"]), json.loads(vector["payload"])
    actor, source = payload["actor"], payload.get("source")
    made = Draft(
        stream=vector["stream"],
        kind=header["kind"],
        actor=Actor(
            header["actor"]["type"], header["actor"]["id"], actor.get("on_behalf_of"), actor["assurance"]
        ),
        data=payload.get("data", {}),
        body=_unreplaced(payload),
        at=header["at"],
        until=header["until"],
        precision=payload.get("precision", "us"),
        zone=payload.get("zone"),
        key=None if header["key"] == header["id"] else header["key"],
        cause=header["cause"],
        run=header["run"],
        step=header["step"],
        item=payload.get("item"),
        visibility=header["visibility"],
        importance=header["importance"],
        milestone=header["milestone"],
        mode=header["mode"],
        evidence=tuple(Evidence(**one) for one in payload.get("evidence", [])),
        source=source and Source(**source),
    )
    reading = Reading(header["recorded_at"], header["boot"], header["mono"])
    salt = bytes.fromhex(vector["salt"])
    sealed = seal(made, reading=reading, host=payload["host"], id=header["id"], salt=salt)
    assert sealed.payload.decode() == vector["payload"]
    assert sealed.frame.text(header["prev"], header["seq"], vector["stream"]) == vector["header"]


def _unreplaced(payload: dict[str, Any]) -> str:
    body: str = payload.get("body", "")
    return body.replace("\ufffd", "\udcff") if payload.get("replaced") else body


def test_the_header_holds_no_free_text() -> None:
    spoken = note(
        "a phone number", zone="Europe/Berlin", item="a name", data={}, source=Source("slack", "secret")
    )
    text = seal(spoken).frame.text(events.FIRST_PREV, 1, "inc-1")
    for word in ("phone", "Berlin", "a name", "slack", "secret"):
        assert word not in text


def test_the_same_payload_has_another_digest_each_time() -> None:
    assert seal(note("555 0100")).digest != seal(note("555 0100")).digest


def test_bytes_that_are_not_text_are_replaced_and_counted() -> None:
    sealed = seal(draft("x.a", {"x": os.fsdecode(b"\xfe")}, body=os.fsdecode(b"caf\xe9 \xff")))
    event = events.placed(sealed, stream="inc-1", seq=1, pos=1, prev="", hash="")
    assert (event.body, event.data, event.replaced) == ("caf\ufffd \ufffd", {"x": "\ufffd"}, 3)


def test_what_is_given_back_after_storing_is_what_is_read_later() -> None:
    full = note("x", zone="UTC", source=Source("slack", "w"), evidence=(Evidence("0" * 64, "a/b", 1, "n"),))
    sealed = seal(full)
    place: dict[str, Any] = {"stream": "inc-1", "seq": 3, "pos": 9, "prev": "a" * 64, "hash": "b" * 64}
    assert events.placed(sealed, **place) == events.opened(sealed.header, sealed.payload, **place)


@pytest.mark.parametrize(
    "about",
    [
        {"key": ""},
        {"key": "a\nb"},
        {"key": "k" * 401},
        {"key": "\udcff"},
        {"run": "a\x00b"},
        {"stream": ""},
        {"stream": "inc\n1"},
        {"mode": "practice"},
        {"visibility": "everyone"},
        {"importance": "very"},
        {"milestone": "noticed"},
        {"precision": "week"},
        {"at": 1.5},
        {"at": True},
        {"at": 2**60},
        {"until": "soon"},
        {"body": "x" * (events.LARGEST_PAYLOAD + 1)},
        {"data": {"ratio": 0.5}},
    ],
    ids=str,
)
def test_a_draft_that_the_record_cannot_hold_is_refused(about: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        seal(note(**about))
