"""Somebody is woken: the real `howdah serve`, a push service and a mail server on loopback, and deaths in between."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from chatops import timers
from incidents.events import Event
from incidents.store import open_store
from tests.stories import scene as scenes
from tests.stories.providers import Providers, closed_port, providers
from tests.stories.scene import Scene, kill, until

CONFIG = """\
people:
  hazel: {unix: hazel, contacts: {phone: "+49 30 1", mail: hazel@example.org}, page: [push, mail]}
  nova: {unix: nova, contacts: {mail: nova@example.org}, page: [mail]}
schedules:
  infra: {layers: [{id: all, users: [hazel]}]}
escalation:
  infra:
    steps: [{schedule: infra, wait: WAIT}, {person: nova, wait: 1h}]
    severities: [sev1]
paging:
  channels: {push: file:FOLDER/push.url, mail: env:MAIL_URL}
  timeout: TIMEOUT
"""


class Night:
    """A machine whose `howdah serve` pages by two providers."""

    def __init__(self, scene: Scene, known: Providers):
        self.scene, self.known = scene, known
        self.env = {"MAIL_URL": known.mail_url}
        self.url(known.push_url)
        self.configure()

    def configure(self, wait: str = "1h", timeout: str = "20s") -> None:
        text = CONFIG.replace("WAIT", wait).replace("TIMEOUT", timeout).replace("FOLDER", self.scene.folder)
        self.scene.runbook(text, "howdah.yaml")

    def url(self, text: str) -> None:
        with open(os.path.join(self.scene.folder, "push.url"), "w", encoding="utf-8") as file:
            file.write(text + "\n")

    def serve(self, **env: str) -> subprocess.Popen[bytes]:
        """One that sends, or stands by where another one does."""
        life = self.scene.begin("serve", by="howdah", **self.env, **env)
        until(self.is_served, "howdah serve")
        return life

    def is_served(self) -> bool:
        lock = timers.Lock(self.scene.store)
        try:
            return lock.taken()
        finally:
            lock.close()

    def ends(self, life: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> scenes.Answer:
        with contextlib.suppress(ProcessLookupError):
            os.kill(life.pid, number)
        return scenes.ended(life)

    def events(self, kind: str) -> list[Event]:
        with open_store(self.scene.store) as store:
            return [event for event in store.events("inc-1") if event.kind == kind]

    def delivered(self, times: int = 1) -> list[Event]:
        def look() -> list[Event]:
            found = self.events("page.delivered")
            return found if len(found) >= times else []

        return until(look, f"{times} deliveries")


@pytest.fixture
def night(scene: Scene) -> Iterator[Night]:
    with providers() as known:
        one = Night(scene, known)
        yield one
        print(scene("timeline", "--all", "--incident", "inc-1").text)


def test_a_declaration_wakes_who_is_on_call_then_the_next_until_somebody_takes_it(night: Night) -> None:
    night.configure(wait="2s")
    life = night.serve()
    night.scene.ok("declare", "the disk is full", "--sev", "1")
    until(lambda: night.known.mails, "the second step")
    ((person, title, message),) = night.known.pushes
    assert (person, title) == ("hazel", "inc-1 [sev1] the disk is full")
    assert message == "hazel, you are paged (infra, step 1)\ntake it: howdah ack inc-1#2"
    assert [to for to, _ in night.known.mails] == ["nova@example.org"]
    night.delivered(2)
    assert "page #2 acknowledged" in night.scene.ok("ack", by="nova")
    second = night.scene("ack", by="hazel")
    assert (second.code, "nova acknowledged inc-1#2" in second.err) == (4, True)
    assert "recorded before" in night.scene.ok("ack", "inc-1#2", by="nova")
    done = night.ends(life)
    assert (done.code, done.out.splitlines()[0]) == (0, "pages and reminders go out from here, until TERM")
    assert "page #2 step 1: schedule infra is hazel" in done.out
    assert not night.events("page.exhausted")


@pytest.mark.parametrize("point", ["page-before-send", "page-before-outcome"])
def test_who_serves_dies_in_the_middle_and_the_next_one_pages_again_and_says_so(
    night: Night, point: str
) -> None:
    night.scene.ok("declare", "the disk is full", "--sev", "2")
    life = night.serve(HOWDAH_TEST_KILL=point)
    night.scene.ok("sev", "1", "--config", "/dev/null")  # or the command would take over at once
    assert scenes.ended(life).code == -signal.SIGKILL
    before = len(night.known.pushes)
    assert before == (1 if point == "page-before-outcome" else 0)
    assert not night.events("page.delivered")
    life = night.serve()
    (event,) = night.delivered()
    assert [push.title.startswith("possibly repeated: ") for push in night.known.pushes[before:]] == [True]
    assert (event.data["attempt"], event.data["repeated"]) == (2, True)
    assert night.ends(life).code == 0
    assert "went out, possibly repeated" in night.scene.ok("timeline")


def test_a_kill_while_the_provider_hangs_loses_nothing(night: Night) -> None:
    night.known.answer = "hang"
    night.scene.ok("declare", "x", "--sev", "2")
    life = night.serve()
    night.scene.ok("sev", "1", "--config", "/dev/null")  # or the command would take over at once
    until(lambda: night.events("page.sending"), "the send")
    kill(life.pid)
    night.known.answer = 200
    life = night.serve()
    night.delivered()
    assert [push.person for push in night.known.pushes] == ["hazel"]
    night.ends(life)


@pytest.mark.parametrize(("fault", "why"), [
    ("500", "error=500"), ("refuses", "Connection error"), ("hangs", "no answer within 2.0 s"),
    ("nonsense", "apprise does not know such a URL"), ("gone", "push.url cannot be read: No such file"),
])  # fmt: skip
def test_a_channel_that_fails_falls_through_and_the_phone_number_is_said(
    night: Night, fault: str, why: str
) -> None:
    night.configure(timeout="2s" if fault == "hangs" else "20s")
    if fault in ("500", "hangs"):
        night.known.answer = 500 if fault == "500" else "hang"
    elif fault == "refuses":
        night.url(f"json://127.0.0.1:{closed_port()}/a-token-nobody-may-see")
    elif fault == "nonsense":
        night.url("telegraph://a-token-nobody-may-see")
    else:
        os.unlink(os.path.join(night.scene.folder, "push.url"))
    life = night.serve()
    night.scene.ok("declare", "x", "--sev", "3")
    night.scene.ok("page", "hazel", "-m", "the database host is gone")
    (event,) = night.delivered()
    assert event.data["channel"] == "mail"
    assert "the database host is gone" in night.known.mails[0][1]
    said = night.ends(life)
    assert "page #2 to hazel by push failed: " in said.err
    assert why in said.err
    assert "; call +49 30 1" in said.err
    with open_store(night.scene.store) as store:
        record = "".join(str(event) for event in store.events("inc-1"))
    assert "a-token-nobody-may-see" not in record + said.text


def test_of_two_that_serve_one_sends_and_the_other_takes_over(night: Night) -> None:
    night.scene.ok("declare", "x", "--sev", "3")
    first = night.serve()
    second = night.serve()
    night.scene.ok("page", "hazel")
    night.delivered()
    assert len(night.known.pushes) == 1
    kill(first.pid)
    night.scene.ok("page", "nova")
    night.delivered(2)
    done = night.ends(second)
    assert done.code == 0
    first_line, second_line = done.out.splitlines()[:2]
    assert first_line == "another process sends; this one stands by"
    assert second_line.startswith("the process that sent has ended:")
    assert (len(night.known.pushes), len(night.known.mails)) == (1, 1)


def test_a_configuration_that_changes_while_it_is_served_is_obeyed_and_recorded(night: Night) -> None:
    night.scene.ok("declare", "x", "--sev", "1", "--config", "/dev/null")
    night.configure()
    with open(os.path.join(night.scene.folder, "howdah.yaml"), encoding="utf-8") as file:
        text = file.read()
    night.scene.runbook(text.replace("severities: [sev1]", "severities: [sev2]"), "howdah.yaml")
    life = night.serve()
    night.scene.runbook(text, "howdah.yaml")
    night.delivered()
    with open_store(night.scene.store) as store:
        seen = [event.data["text"] for event in store.events("system") if event.kind == "config.seen"]
    assert ["[sev1]" in one for one in seen] == [False, True]
    night.ends(life)


def test_without_anybody_who_serves_the_page_goes_out_from_the_command_which_says_what_is_missing(
    night: Night,
) -> None:
    night.scene.ok("declare", "x", "--sev", "3")
    answer = night.scene("page", "infra", "-m", "come", **night.env)
    assert (answer.code, answer.err) == (
        0,
        "note: no process runs the timers, so no further step goes out: start howdah serve\n",
    )
    assert answer.out.splitlines() == [
        "inc-1 #2  pages infra: come",
        "page #2 step 1: schedule infra is hazel",
        "page #2 to hazel by push went out",
        "next: howdah ack inc-1#2",
    ]
    assert [push.person for push in night.known.pushes] == ["hazel"]
    answer = night.scene("escalate", **night.env)
    assert answer.code == 0, answer
    assert [to for to, _ in night.known.mails] == ["nova@example.org"]
    assert "is at its last step" in night.scene("escalate", **night.env).err


def test_a_drill_wakes_nobody_unless_it_says_so(night: Night) -> None:
    night.scene.ok("declare", "x", "--drill", "--sev", "1")
    refused = night.scene("page", "infra", "--incident", "inc-1")
    assert (refused.code, "inc-1 is a drill, so it wakes nobody" in refused.err) == (4, True)
    night.scene("declare", "y", "--drill", "--page-real", "--sev", "1", **night.env)
    assert [push.title for push in night.known.pushes] == ["inc-2 (drill) [sev1] y"]
