"""The contract of `incidents.store.protocol.Store`: every store keeps it, none has another suite.

A new kind of store is one more line in STORES.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from incidents import clock, verify
from incidents.errors import BadInput, IllegalTransition, KeyConflict, LockHeld, NotFound
from incidents.events import NEW_INCIDENT, Evidence
from incidents.store import open_store
from incidents.store.protocol import Head, KeyUsed, LockTaken, Store, StreamMoved
from tests.drafts import NOVA, declared, draft, note, run_ended, run_started

Opener = Callable[[], AbstractContextManager[Store]]


def embedded(folder: Path) -> Opener:
    return lambda: open_store(str(folder / "store.db"))


STORES = {"embedded": embedded}


@pytest.fixture(params=STORES)
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    """Opens the same record again and again."""
    return STORES[request.param](tmp_path)


@pytest.fixture
def store(opener: Opener) -> Iterator[Store]:
    with opener() as opened:
        yield opened
        assert verify.verify(opened).findings == []


# -- append and read


def test_what_is_appended_is_read_back_the_same_now_and_after_opening_again(opener: Opener) -> None:
    with opener() as store:
        written = store.append([declared(), note("one", stream=NEW_INCIDENT, zone="Europe/Berlin")])
        assert store.read("inc-1") == written
    with opener() as store:
        assert store.read("inc-1") == written


def test_seq_is_gapless_in_a_stream_and_pos_over_all(store: Store) -> None:
    for stream in ("a", "b", "a", "a", "b"):
        store.append([note(stream=stream)])
    assert [(e.stream, e.seq, e.pos) for e in store.tail(0)] == [
        *(("a", 1, 1), ("b", 1, 2), ("a", 2, 3), ("a", 3, 4), ("b", 2, 5)),
    ]


def test_each_event_names_the_hash_of_the_one_before_it_in_its_stream(store: Store) -> None:
    first, second = store.append([note(stream="a"), note(stream="a")])
    (other,) = store.append([note(stream="b")])
    assert (first.prev, second.prev, other.prev) == ("0" * 64, first.hash, "0" * 64)


def test_pages_of_a_stream_and_of_the_record(store: Store) -> None:
    for part in range(3):
        store.append([note(f"{part}-{n}", stream="ab"[n % 2]) for n in range(500)])
    assert [e.seq for e in store.read("a", after=10, limit=3)] == [11, 12, 13]
    assert [e.seq for e in store.events("a")] == list(range(1, 751))
    assert len(store.tail(0, limit=5000)) == 1000
    assert [e.pos for e in store.tail(1498)] == [1499, 1500]
    assert [e.pos for e in store.tail(1490, stream="b")] == [1492, 1494, 1496, 1498, 1500]
    assert [e.pos for e in store.tail(3, stream="b", limit=2)] == [4, 6]


def test_last_seq_and_head(store: Store) -> None:
    assert store.head() == Head(0, "0" * 64)
    store.append([note(stream="a"), note(stream="a")])
    assert (store.last_seq("a"), store.last_seq("b"), store.head().pos) == (2, 0, 2)
    assert str(store.head()).startswith("2:")


def test_nothing_to_append_is_nothing(store: Store) -> None:
    assert store.append([]) == []


def test_a_group_is_recorded_whole_or_not_at_all(store: Store) -> None:
    store.append([note("other", key="taken")])
    with pytest.raises(KeyConflict):
        store.append([note("first", stream="b"), note("second", key="taken"), note("third", stream="b")])
    assert store.last_seq("b") == 0
    with pytest.raises(BadInput):
        store.append([note("first", stream="b"), draft("x.a", {"ratio": 0.5}, stream="b")])
    assert store.last_seq("b") == 0


def test_text_of_every_kind_comes_back(store: Store) -> None:
    body = "\x00\x1b[31m\u202e\U0001f418'; DROP TABLE events; --\r\n"
    (event,) = store.append([note(body, stream="ü/ 'x' \U0001f418")])
    assert store.read(event.stream)[0].body == body


# -- a new incident


def test_each_group_for_a_new_incident_gets_the_next_name(store: Store) -> None:
    names = [{e.stream for e in store.append([declared(), note(stream=NEW_INCIDENT)])} for _ in range(3)]
    assert names == [{"inc-1"}, {"inc-2"}, {"inc-3"}]


def test_no_incident_gets_a_name_that_a_stream_has(store: Store) -> None:
    store.append([note(stream="inc-1")])
    assert store.append([declared()])[0].stream == "inc-2"


def test_incidents_declared_at_once_by_many_threads_have_many_names(store: Store) -> None:
    with ThreadPoolExecutor(16) as pool:
        found = [future.result() for future in [pool.submit(store.append, [declared()]) for _ in range(48)]]
    assert {events[0].stream for events in found} == {f"inc-{n}" for n in range(1, 49)}


# -- idempotency


def test_the_same_key_and_content_gives_back_the_stored_event(store: Store) -> None:
    (first,) = store.append([note("word", key="k")])
    (again,) = store.append([note("word", key="k")])
    assert again.replayed and not first.replayed
    assert again.id == first.id and store.head().pos == 1


def test_a_repeated_declaration_is_the_same_incident_with_all_its_words(store: Store) -> None:
    group = [declared(key="d"), note("first", stream=NEW_INCIDENT, key="n")]
    store.append(group)
    assert [(e.stream, e.replayed) for e in store.append(group)] == [("inc-1", True), ("inc-1", True)]
    (repeated, new) = store.append([group[0], note("more", stream=NEW_INCIDENT)])
    assert (repeated.replayed, new.stream, new.seq) == (True, "inc-1", 3)


@pytest.mark.parametrize(
    "other",
    [note("another", key="k"), note("word", key="k", actor=NOVA), note("word", key="k", stream="b"), draft("x.a", body="word", key="k")],
    ids=["body", "actor", "stream", "kind"],
)  # fmt: skip
def test_the_same_key_with_other_content_is_a_conflict_that_shows_the_stored_event(
    store: Store, other: object
) -> None:
    (first,) = store.append([note("word", key="k")])
    with pytest.raises(KeyUsed, match="inc-1#1") as caught:
        store.append([other])  # type: ignore[list-item]
    assert caught.value.event.id == first.id


def test_one_key_twice_in_a_group_is_refused(store: Store) -> None:
    with pytest.raises(BadInput, match="same key"):
        store.append([note(key="k"), note(key="k")])


def test_a_key_whose_event_was_redacted_is_replayed_without_comparison(store: Store) -> None:
    store.append([note("secret", key="k")])
    store.redact(draft("redaction", {"targets": [1]}))
    (again,) = store.append([note("anything", key="k")])
    assert again.replayed and again.redacted and again.body == ""


def test_by_key_finds_chosen_keys_and_ids(store: Store) -> None:
    chosen, unchosen = store.append([note("a", key="run-1/grow"), note("b")])
    assert store.by_key("run-1/grow") == chosen
    assert unchosen.key == unchosen.id and store.by_key(unchosen.id) == unchosen
    assert store.by_key("run-2/grow") is None


def test_one_key_raced_for_by_many_threads_is_recorded_once(store: Store) -> None:
    with ThreadPoolExecutor(16) as pool:
        wishes = [pool.submit(store.append, [note("answer", key="q-1")]) for _ in range(64)]
        found = [wish.result()[0] for wish in wishes]
    assert len({event.id for event in found}) == 1
    assert sum(not event.replayed for event in found) == 1


# -- decisions


def test_a_decision_on_a_stream_that_has_moved_is_refused(store: Store) -> None:
    store.append([note()])
    store.append([note()], expect={"inc-1": 1})
    with pytest.raises(StreamMoved):
        store.append([note()], expect={"inc-1": 1})
    assert store.last_seq("inc-1") == 2


def test_a_repeat_of_what_is_recorded_needs_no_decision(store: Store) -> None:
    store.append([note(key="k"), note()])
    assert store.append([note(key="k")], expect={"inc-1": 0})[0].replayed


def test_a_refused_group_does_not_sink_its_neighbours(store: Store) -> None:
    """Many threads, every second one refused: the others are there, each once."""
    store.append([note("taken", key="taken")])
    gate = threading.Barrier(32)

    def write(number: int) -> bool:
        gate.wait()
        with contextlib.suppress(KeyConflict):
            store.append([note(str(number), key="taken" if number % 2 else f"k{number}")])
            return True
        return False

    with ThreadPoolExecutor(32) as pool:
        recorded = list(pool.map(write, range(32)))
    assert recorded == [number % 2 == 0 for number in range(32)]
    assert {e.body for e in store.events("inc-1")} == {"taken", *map(str, range(0, 32, 2))}


# -- derived rows


def test_rows_of_incidents_follow_their_events(store: Store) -> None:
    store.append([declared("first"), note(stream=NEW_INCIDENT)])
    store.append([declared("second", mode="drill")])
    store.append([draft("incident.severity", {"severity": "sev1"}), draft("incident.mitigated")])
    first, second = store.incident("inc-1"), store.incident("inc-2")
    assert first and second and store.incident("inc-3") is None
    assert (first.title, first.severity, first.status, first.open) == ("first", "sev1", "mitigated", True)
    assert first.last_at == store.read("inc-1", after=3)[0].at
    store.append([draft("incident.resolved")])
    assert [row.name for row in store.incidents()] == ["inc-2", "inc-1"]
    assert [row.name for row in store.incidents(status="open")] == ["inc-2"]
    assert [row.name for row in store.incidents(status="closed")] == ["inc-1"]
    assert [row.name for row in store.incidents(mode="drill")] == ["inc-2"]
    assert [row.name for row in store.incidents(limit=1)] == ["inc-2"]
    store.append([draft("incident.reopened")])
    assert [row.name for row in store.incidents(status="open")] == ["inc-2", "inc-1"]


def test_rows_of_runs_follow_their_events(store: Store) -> None:
    store.append([declared(), run_started("run-a", stream=NEW_INCIDENT)])
    store.append([run_started("run-b", stream="inc-1")])
    for kind, status in (
        ("run.paused", "paused"),
        ("run.resumed", "running"),
        ("run.parked", "parked"),
        ("run.ended", "ended"),
    ):
        store.append([draft(kind, run="run-a")])
        row = store.run("run-a")
        assert row and (row.stream, row.runbook, row.status, row.by) == (
            "inc-1",
            "disk-full",
            status,
            "robin",
        )
    assert [row.run for row in store.runs()] == ["run-a", "run-b"]
    assert [row.run for row in store.runs(open_only=True)] == ["run-b"]
    assert store.runs(stream="inc-2") == [] and store.run("run-c") is None


def test_a_run_is_started_once(store: Store) -> None:
    store.append([run_started("run-a")])
    with pytest.raises(IllegalTransition, match="run-a"):
        store.append([run_started("run-a", body="again")])


def test_locks_are_taken_all_or_none_and_the_holder_is_named(store: Store) -> None:
    (started,) = store.append([run_started("run-a", "disk:/var", "db")])
    with pytest.raises(LockHeld, match=r"disk:/var is locked by run-a since .* \(robin\)") as caught:
        store.append([run_started("run-b", "cache", "disk:/var")])
    assert isinstance(caught.value, LockTaken)
    assert caught.value.lock == ("disk:/var", "run-a", "inc-1", started.recorded_at, "robin")
    assert [lock.name for lock in store.locks()] == ["db", "disk:/var"]
    assert store.run("run-b") is None


def test_the_end_of_a_run_frees_its_locks(store: Store) -> None:
    store.append([run_started("run-a", "db"), run_started("run-b", "cache")])
    store.append([run_ended("run-a")])
    assert [(lock.name, lock.run) for lock in store.locks()] == [("cache", "run-b")]


def test_a_person_frees_one_lock(store: Store) -> None:
    store.append([run_started("run-a", "db", "cache")])
    store.append([draft("lock.released", {"name": "db", "run": "run-a"})])
    assert [lock.name for lock in store.locks()] == ["cache"]
    with pytest.raises(IllegalTransition, match="does not hold"):
        store.append([draft("lock.released", {"name": "db", "run": "run-a"})])


def test_a_run_that_goes_on_after_its_end_takes_its_locks_again_or_is_refused(store: Store) -> None:
    store.append([run_started("run-a", "db"), run_ended("run-a")])
    store.append([draft("undo.started", {"steps": []}, run="run-a")])
    assert [lock.run for lock in store.locks()] == ["run-a"]
    store.append([run_ended("run-a"), run_started("run-b", "db")])
    with pytest.raises(LockHeld, match="run-b"):
        store.append([draft("run.resumed", {"pid": 1}, run="run-a")])


def test_of_many_runs_for_one_lock_one_starts(store: Store) -> None:
    def start(number: int) -> bool:
        with contextlib.suppress(LockHeld):
            store.append([run_started(f"run-{number}", f"own-{number}", "db")])
            return True
        return False

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(start, range(16))) == 1
    assert len(store.runs()) == 1 and len(store.locks()) == 2


# -- news and cursors


def test_each_thread_learns_once_that_something_was_recorded(store: Store) -> None:
    store.changed()
    assert not store.changed()
    store.append([note()])
    assert store.changed() and not store.changed()


def test_what_another_process_would_record_is_news_too(store: Store, opener: Opener) -> None:
    store.changed()
    with opener() as other:
        other.append([note()])
        assert store.wait_news(5 * clock.SECOND)
    assert not store.wait_news(1)


def test_an_append_wakes_who_waits(store: Store) -> None:
    store.changed()
    with ThreadPoolExecutor(1) as pool:
        heard = pool.submit(lambda: [store.changed(), store.wait_news(20 * clock.SECOND)][1])
        store.append([note()])
        assert heard.result()


def test_cursors_are_kept(opener: Opener) -> None:
    with opener() as store:
        assert store.cursor("chat:1") == 0
        store.set_cursor("chat:1", 7)
        store.set_cursor("chat:2", 1)
        store.set_cursor("chat:1", 9)
    with opener() as store:
        assert (store.cursor("chat:1"), store.cursor("chat:2")) == (9, 1)


# -- evidence


def test_blobs_are_kept_by_their_digest(store: Store, tmp_path: Path) -> None:
    put = store.put_blob(b"hello", media_type="text/plain", name="greeting")
    assert put == Evidence(
        "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", "text/plain", 5, "greeting"
    )
    (tmp_path / "out").write_bytes(b"hello")
    assert store.adopt_blob(str(tmp_path / "out"), media_type="text/plain", name="greeting") == put
    assert not (tmp_path / "out").exists()
    assert store.get_blob(put.sha256) == b"hello" == Path(store.blob_path(put.sha256)).read_bytes()
    store.append([note(evidence=(put,))])


@pytest.mark.parametrize("name", ["0" * 64, "../store.db", "", "g" * 64])
def test_a_blob_that_is_not_there_is_said(store: Store, name: str) -> None:
    with pytest.raises((NotFound, BadInput)):
        store.get_blob(name)


# -- redaction


def test_a_redaction_destroys_what_was_said_and_keeps_that_it_was_said(store: Store) -> None:
    evidence = store.put_blob(b"secret", media_type="text/plain", name="out")
    (before, _) = store.append([note("secret", evidence=(evidence,)), note("public")])
    redaction = store.redact(draft("redaction", {"targets": [1]}, body="a password"))
    assert redaction.data == {"targets": [1], "blobs": [evidence.sha256], "runs": []}
    (after, other, _) = store.read("inc-1")
    assert after.redacted and (after.body, after.evidence, after.data) == ("", (), {})
    assert (after.id, after.hash, after.at, after.actor.id) == (before.id, before.hash, before.at, "robin")
    assert other.body == "public"
    with pytest.raises(NotFound):
        store.get_blob(evidence.sha256)


def test_a_blob_that_another_event_names_stays(store: Store) -> None:
    evidence = store.put_blob(b"shared", media_type="text/plain", name="out")
    store.append([note("a", evidence=(evidence,)), note("b", evidence=(evidence,), stream="inc-2")])
    assert store.redact(draft("redaction", {"targets": [1]})).data["blobs"] == []
    assert store.get_blob(evidence.sha256) == b"shared"


def test_a_redacted_title_leaves_the_rows_too(store: Store) -> None:
    store.append([declared("patient X has no access"), draft("incident.mitigated", stream=NEW_INCIDENT)])
    store.redact(draft("redaction", {"targets": [1]}))
    row = store.incident("inc-1")
    assert row and (row.title, row.status) == ("", "mitigated")


def test_what_an_open_run_needs_is_not_redacted(store: Store) -> None:
    store.append([run_started("run-a")])
    with pytest.raises(Exception, match="end the run first"):
        store.redact(draft("redaction", {"targets": [1]}))
    store.append([run_ended("run-a")])
    store.redact(draft("redaction", {"targets": [1]}))
    assert store.read("inc-1")[0].redacted


def test_a_redaction_of_nothing_is_refused(store: Store) -> None:
    store.append([note("x")])
    with pytest.raises(NotFound):
        store.redact(draft("redaction", {"targets": [2]}))
    assert store.last_seq("inc-1") == 1
