"""A message of a chat on the timeline: whose words, when, where, with its files; once."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest

from chatops.vocabulary import Attached, Quoted
from incidents import clock
from incidents.errors import Failed
from incidents.events import Source
from tests.chatops.chat import Chat

WRITTEN = clock.parse_iso("2022-12-13T18:53:10.25Z")
LINK = "https://discord.com/channels/1/2/3"
SOURCE = Source("discord", "1", "2", None, "3", LINK)


def message(text: str = "nfs hangs on fritz", **about: Any) -> Quoted:
    fields: dict[str, Any] = {
        "author": "malte the admin", "account": "77", "text": text, "at": WRITTEN, "source": SOURCE,
        "key": "discord:message:3", "files": (), **about,
    }  # fmt: skip
    return Quoted(**fields)


def file(name: str, data: bytes, media_type: str = "text/plain") -> Attached:
    return Attached(name, media_type, len(data), lambda: data)


@pytest.fixture
def incident(chat: Chat) -> Chat:
    chat.ok("declare", title="Disk full")
    return chat


def test_it_is_a_note_in_its_authors_words_at_its_time_with_its_place(incident: Chat) -> None:
    answer = incident.ok("add", quoted=message())
    assert answer.text == "inc-1 #2  malte the admin: nfs hangs on fritz"
    (event,) = incident.events("inc-1", "note")
    assert (event.body, event.at, event.precision) == ("malte the admin: nfs hangs on fritz", WRITTEN, "ms")
    assert (event.source, event.key, event.actor.id) == (SOURCE, "discord:message:3", "nova")
    assert "19:53:10" in incident.ok("timeline").text, "in the reader's zone, at the time when it was written"


def test_added_twice_it_is_one_event_and_the_second_reads_where_it_is(incident: Chat) -> None:
    incident.ok("add", quoted=message(), by="malte")
    answer = incident.ok("add", quoted=message("edited since"))
    assert (
        answer.text
        == "inc-1 #2  it is on the timeline already, added by malte: malte the admin: nfs hangs on fritz"
    )
    assert len(incident.events("inc-1", "note")) == 1


def test_two_people_at_once_are_one_event(incident: Chat) -> None:
    answers: list[Any] = []
    threads = [
        threading.Thread(
            target=lambda by=by: answers.append(incident.ok("add", quoted=message(), by=by)), daemon=True
        )
        for by in ("nova", "malte", "kim")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(45)
    assert len(answers) == 3
    assert len(incident.events("inc-1", "note")) == 1


def test_a_person_of_the_configuration_has_their_own_name(incident: Chat) -> None:
    incident.people('people: {malte: {discord: "77"}}\n')
    incident.ok("add", quoted=message())
    assert incident.events("inc-1", "note")[0].body.startswith("malte: ")


def test_files_are_kept_as_evidence(incident: Chat) -> None:
    incident.ok(
        "add",
        quoted=message("", files=(file("dmesg.txt", b"oom"), file("graph.png", b"\x89PNG", "image/png"))),
    )
    (event,) = incident.events("inc-1", "note")
    assert event.body == "malte the admin:\n(files: dmesg.txt, graph.png)"
    assert [(one.name, one.media_type, one.size) for one in event.evidence] == [
        ("dmesg.txt", "text/plain", 3), ("graph.png", "image/png", 4),
    ]  # fmt: skip
    assert incident.store.get_blob(event.evidence[0].sha256) == b"oom"


def test_a_file_that_cannot_be_kept_is_named_and_the_words_are_recorded(incident: Chat) -> None:
    def gone() -> bytes:
        raise Failed("Discord has it no more")

    files = (
        Attached("core", "application/octet-stream", 200 << 20, gone),
        Attached("liar.bin", "application/octet-stream", 1, lambda: bytes((10 << 20) + 1)),
        Attached("gone.txt", "text/plain", 10, gone),
        file("log.txt", b"kept"),
    )
    incident.ok("add", quoted=message(files=files))
    (event,) = incident.events("inc-1", "note")
    assert event.body.splitlines() == [
        "malte the admin: nfs hangs on fritz",
        "(the file core is not kept: 209,715,200 bytes are too many)",
        "(the file liar.bin is not kept: 10,485,761 bytes are too many)",
        "(the file gone.txt is not kept: Discord has it no more)",
        "(file: log.txt)",
    ]
    assert [one.name for one in event.evidence] == ["log.txt"]


def test_all_files_of_a_message_are_bounded_together(incident: Chat) -> None:
    files = tuple(file(f"{number}.bin", os.urandom(1) * (9 << 20)) for number in range(4))
    incident.ok("add", quoted=message(files=files))
    (event,) = incident.events("inc-1", "note")
    assert [one.name for one in event.evidence] == ["0.bin", "1.bin"]


def test_an_empty_message_or_none_is_refused(incident: Chat) -> None:
    answer = incident("add", quoted=message(" "))
    assert (answer.exit, answer.text) == (
        2, "the message has neither text nor files; write what it shows: howdah note TEXT",
    )  # fmt: skip
    answer = incident("add")
    assert (answer.exit, answer.text) == (2, "there is no message to add; choose it in the menu of a message")


def test_a_clock_that_is_ahead_does_not_write_into_the_future(incident: Chat) -> None:
    incident.ok("add", quoted=message(at=clock.wall() + clock.MINUTE))
    (event,) = incident.events("inc-1", "note")
    assert event.at <= clock.wall()


def test_it_goes_into_the_incident_of_its_thread(incident: Chat) -> None:
    incident.ok("declare", title="another")
    assert incident("add", quoted=message()).exit == 2, "several are open"
    assert incident.ok("add", quoted=message(), thread="inc-1").text.startswith("inc-1 #2")
    assert incident.ok("add", quoted=message(key="discord:message:4"), incident="2").text.startswith(
        "inc-2 #2"
    )
