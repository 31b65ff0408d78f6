"""Pages are sent: to whom the schedule means when the step fires, by the next channel when one fails, and recorded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chatops import paging, timers, whose
from incidents import clock, config, timeline
from incidents.config import Config
from incidents.errors import NotFound
from incidents.escalation import pages
from incidents.escalation.policy import Policy, Step, alone
from incidents.events import Event
from incidents.store import open_store
from incidents.store.protocol import Store
from tests.drafts import NOVA, draft, note

NOW = clock.parse_iso("2022-12-13T03:00:00Z")
FIVE = 5 * clock.MINUTE
PEOPLE = """\
people:
  hazel: {contacts: {phone: "+49 30 1", mail: h@example.org}, page: [push, mail], roles: [commander]}
  malte: {contacts: {phone: "+49 30 2"}, page: [push], roles: [commander]}
  nova: {contacts: {mail: n@example.org}}
paging:
  channels:
    push: "json://push/{name}"
    mail: "mailto://mail/?to={mail}"
  timeout: 20s
"""
BY_SCHEDULE = Policy("infra", (Step("schedule", "infra", FIVE), Step("schedule", "backup", FIVE)))


class Desk:
    """One process that pages, as often as it is begun: nothing of an earlier one is in memory.

    `sent` is what providers got; `broken` are the channels that fail. Who is on call is `on_call`, asked for by name.
    """

    def __init__(self, store: Store, folder: Path):
        self.store = store
        self._file = folder / "howdah.yaml"
        self.configure(PEOPLE)
        self.on_call: dict[str, list[str]] = {"infra": ["hazel"], "backup": ["malte"]}
        self.asked: list[tuple[str, int]] = []
        self.sent: list[tuple[str, str]] = []
        self.texts: list[tuple[str, str]] = []
        self.broken: dict[str, str] = {}
        self.warned: list[str] = []
        self.begin: Callable[[Callable[[], None]], None] = lambda run: run()
        self.restart()

    def configure(self, text: str) -> None:
        self._file.write_text(text)
        self.config = config.load(str(self._file))

    def restart(self) -> None:
        self.pager = paging.Pager(
            self.store, lambda: self.config, whom=self._whom, send=self._send,
            begin=lambda run: self.begin(run), warn=self.warned.append,
        )  # fmt: skip

    def _whom(self, store: Store, config: Config) -> whose.Whom:
        def whom(schedule: str, at: int) -> list[str]:
            self.asked.append((schedule, at))
            if schedule not in self.on_call:
                raise NotFound(f"there is no schedule {schedule!r}")
            return self.on_call[schedule]

        return whom

    def _send(self, url: str, title: str, body: str) -> str:
        channel = "mail" if url.startswith("mailto") else "push"
        if channel in self.broken:
            return self.broken[channel]
        self.sent.append((channel, url.rpartition("=")[2] if channel == "mail" else url.rpartition("/")[2]))
        self.texts.append((title, body))
        return ""

    # -- what people do

    def declare(self, severity: str = "sev2", **about: Any) -> str:
        drill = {"page_real": True} if about.pop("page_real", False) else {}
        data = {"title": "the disk is full", "severity": severity, **drill}
        (event,) = timeline.record(self.store, draft("incident.declared", data, stream="inc-*", **about))
        return event.stream

    def page(self, policy: Policy, text: str = "", stream: str = "inc-1") -> int:
        begun = pages.begin(stream, policy, target=policy.name, actor=NOVA, text=text)
        return timeline.record(self.store, begun)[0].seq

    def say(self, kind: str, **data: Any) -> None:
        timeline.record(self.store, draft(kind, data))

    def look(self, later: int = 0) -> list[str]:
        """The kinds of what is recorded by looking until there is nothing more to do."""
        clock.advance(later)
        made: list[Event] = []
        while fresh := self.pager.look():
            made += fresh
        return [event.kind for event in made]

    def events(self, kind: str, stream: str = "inc-1") -> list[Event]:
        return [event for event in self.store.events(stream) if event.kind == kind]

    def fired(self) -> list[list[str]]:
        return [event.data["people"] for event in self.events("page.fired")]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with clock.freeze(NOW), open_store(str(tmp_path / "store.db")) as store:
        yield Desk(store, tmp_path)


def test_a_page_goes_out_at_the_next_look_each_act_between_intent_and_outcome(desk: Desk) -> None:
    desk.declare()
    desk.page(BY_SCHEDULE, "the database host is gone")
    assert desk.look() == ["page.fired", "page.sending", "page.delivered"]
    assert desk.sent == [("push", "hazel")]
    assert desk.texts == [
        (
            "inc-1 [sev2] the disk is full",
            "the database host is gone\nhazel, nova pages you (infra, step 1)\ntake it: howdah ack inc-1#2",
        )
    ]
    assert desk.look() == [], "and that was it"


def test_who_is_on_call_is_asked_when_the_step_fires(desk: Desk) -> None:
    """Grafana asks at the step too; a schedule read when the page begins would wake whoever has gone to bed."""
    desk.declare()
    desk.page(BY_SCHEDULE)
    desk.look()
    desk.on_call["backup"] = ["nova"]
    desk.look(later=FIVE)
    assert desk.fired() == [["hazel"], ["nova"]]
    assert desk.asked == [("infra", NOW), ("backup", NOW + FIVE)]


def test_a_step_with_nobody_is_passed_over_in_the_same_look(desk: Desk) -> None:
    """GoAlert waits the whole delay there (target/goalert 4548)."""
    desk.declare()
    desk.on_call["infra"] = []
    desk.page(BY_SCHEDULE)
    desk.look()
    first, second = desk.events("page.fired")
    assert (first.data["people"], first.data["why"]) == ([], "nobody is on call")
    assert second.data["people"] == ["malte"]
    assert second.recorded_at == first.recorded_at


def test_a_schedule_that_is_no_more_is_a_step_with_nobody_and_says_why(desk: Desk) -> None:
    desk.declare()
    del desk.on_call["infra"]
    desk.page(BY_SCHEDULE)
    desk.look()
    assert desk.events("page.fired")[0].data["why"] == "there is no schedule 'infra'"
    assert desk.sent == [("push", "malte")]


def test_a_channel_that_fails_falls_through_to_the_next_and_the_phone_number_is_said(desk: Desk) -> None:
    desk.declare()
    desk.broken["push"] = "the service answers 500"
    desk.page(BY_SCHEDULE)
    assert desk.look() == [
        "page.fired", "page.sending", "page.failed", "page.sending", "page.delivered",
    ]  # fmt: skip
    (failed,) = desk.events("page.failed")
    assert paging.line(failed) == (
        f"inc-1 #{failed.seq}  page #2 to hazel by push failed: the service answers 500; call +49 30 1"
    )
    assert desk.sent == [("mail", "h%40example.org")]


def test_when_every_channel_fails_somebody_has_to_call_and_the_next_step_still_waits_its_time(
    desk: Desk,
) -> None:
    desk.declare()
    desk.broken.update(push="refused", mail="refused")
    desk.page(BY_SCHEDULE)
    desk.look()
    (left,) = desk.events("page.unreachable")
    assert (left.data["person"], left.data["phone"], left.importance) == ("hazel", "+49 30 1", "high")
    assert desk.fired() == [["hazel"]]
    desk.look(later=FIVE)
    assert desk.fired() == [["hazel"], ["malte"]]


def test_who_has_no_channel_at_all_is_said_to_be_unreachable_at_once(desk: Desk) -> None:
    desk.declare()
    desk.page(alone("person", "nova"))
    desk.look()
    (left,) = desk.events("page.unreachable")
    assert left.data["why"] == "there is no channel to page them by"


def test_who_lacks_the_contact_that_a_channel_needs_is_a_failure_that_says_so(desk: Desk) -> None:
    desk.configure(PEOPLE.replace('"json://push/{name}"', '"json://push/{name}"\n    sms: env:SMS_URL'))
    desk.declare()
    desk.configure(
        PEOPLE.replace("page: [push]", "page: [sms]").replace("channels:", "channels:\n    sms: env:NO_SMS")
    )
    desk.page(alone("person", "malte"))
    desk.look()
    assert desk.events("page.failed")[0].data["why"] == "the secret's environment variable NO_SMS is not set"


def test_an_acknowledgement_stops_it_and_is_the_incidents_own_milestone(desk: Desk) -> None:
    desk.declare()
    desk.page(BY_SCHEDULE)
    desk.look()
    desk.say("page.acknowledged", page=2)
    assert desk.look(later=clock.HOUR) == []
    assert desk.events("page.acknowledged")[0].milestone == "acknowledged"


def test_nothing_is_sent_for_an_incident_that_is_over(desk: Desk) -> None:
    desk.declare()
    desk.page(BY_SCHEDULE)
    desk.look()
    desk.say("incident.resolved")
    assert desk.look(later=clock.HOUR) == []


def test_after_the_last_step_of_the_last_pass_it_ends_loudly(desk: Desk) -> None:
    desk.declare()
    desk.page(BY_SCHEDULE._replace(repeat=1))
    for _ in range(4):
        desk.look()
        clock.advance(FIVE)
    assert desk.look() == ["page.exhausted"]
    assert desk.fired() == [["hazel"], ["malte"], ["hazel"], ["malte"]]
    (end,) = desk.events("page.exhausted")
    assert (end.importance, paging.loud(end)) == ("high", True)
    assert desk.look(later=clock.DAY) == []


def test_people_of_a_role_take_turns_by_who_was_paged_longest_ago_in_any_incident(desk: Desk) -> None:
    turns = Policy("turns", (Step("role", "commander", FIVE, round_robin=True),))
    for number in (1, 2, 3):
        desk.declare()
        desk.page(turns, stream=f"inc-{number}")
        desk.look(later=clock.MINUTE)
    assert [e.data["people"] for n in (1, 2, 3) for e in desk.events("page.fired", f"inc-{n}")] == [
        ["hazel"],
        ["malte"],
        ["hazel"],
    ]


def test_a_page_that_reached_nobody_was_nobodys_turn_but_the_next_one_tries_another(desk: Desk) -> None:
    turns = Policy("turns", (Step("role", "commander", FIVE, round_robin=True),))

    def paged(number: int, later: int) -> list[str]:
        clock.advance(later)
        desk.declare()
        desk.page(turns, stream=f"inc-{number}")
        desk.look()
        (fired,) = desk.events("page.fired", f"inc-{number}")
        return list(fired.data["people"])

    desk.broken = {"push": "refused", "mail": "refused"}
    assert paged(1, 0) == ["hazel"]
    assert paged(2, 2 * clock.HOUR) == ["hazel"], "it was not their turn yet"
    assert desk.events("page.unreachable", "inc-2")
    desk.broken = {}
    assert paged(3, clock.MINUTE) == ["malte"], "who could not be reached just now is not tried first"
    assert paged(4, 2 * clock.HOUR) == ["hazel"]
    assert paged(5, clock.MINUTE) == ["malte"]


def test_without_taking_turns_all_who_have_the_role_are_paged(desk: Desk) -> None:
    desk.declare()
    desk.page(Policy("all", (Step("role", "commander", FIVE),)))
    desk.look()
    assert sorted(desk.sent) == [("push", "hazel"), ("push", "malte")]


# -- by severity ---------------------------------------------------------------------------------------------------------

SEVERE = (
    PEOPLE
    + "escalation:\n  bad: {steps: [{person: hazel, wait: 5m}], severities: [sev1, sev2]}\n  all: {steps: [{person: malte}]}\n"
)


def test_an_incident_of_that_severity_pages_by_itself_once(desk: Desk) -> None:
    desk.configure(SEVERE)
    desk.declare("sev1")
    desk.declare("sev3")
    assert desk.look() == ["page.started", "page.fired", "page.sending", "page.delivered"]
    desk.say("page.acknowledged", page=2)
    desk.say("incident.resolved")
    desk.say("incident.reopened")
    assert desk.look() == []
    assert desk.texts[0][1].startswith("hazel, you are paged")


def test_one_that_gets_worse_pages_then(desk: Desk) -> None:
    desk.configure(SEVERE)
    desk.declare("sev3")
    assert desk.look() == []
    desk.say("incident.severity", severity="sev2")
    desk.look()
    assert desk.sent == [("push", "hazel")]


@pytest.mark.parametrize(("about", "sent"), [
    ({"mode": "drill"}, 0), ({"mode": "retrospective"}, 0), ({"mode": "drill", "page_real": True}, 1),
])  # fmt: skip
def test_a_drill_wakes_nobody_unless_it_was_declared_so_and_what_is_recorded_afterwards_never(
    desk: Desk, about: dict[str, Any], sent: int
) -> None:
    desk.configure(SEVERE)
    desk.declare("sev1", **about)
    desk.look()
    assert len(desk.sent) == sent
    assert all("(drill)" in title for title, _ in desk.texts)


def test_a_page_goes_on_by_the_policy_it_began_with(desk: Desk) -> None:
    desk.configure(SEVERE)
    desk.declare("sev1")
    desk.look()
    desk.configure(SEVERE.replace("person: hazel, wait: 5m", "person: malte, wait: 1m"))
    assert desk.look(later=clock.MINUTE) == []
    assert desk.look(later=4 * clock.MINUTE) == ["page.exhausted"]


# -- providers, deaths, other processes --------------------------------------------------------------------------------


def test_a_provider_that_does_not_answer_holds_nothing_up_and_has_failed_after_its_time(desk: Desk) -> None:
    desk.begin = lambda run: None  # it began, and that is the last that was heard of it
    desk.declare()
    desk.page(BY_SCHEDULE)
    assert desk.look() == ["page.fired", "page.sending"]
    assert desk.look(later=19 * clock.SECOND) == []
    desk.begin = lambda run: run()
    assert desk.look(later=clock.SECOND) == ["page.failed", "page.sending", "page.delivered"]
    assert desk.events("page.failed")[0].data["why"] == "no answer within 20 s"


def test_an_answer_that_comes_after_it_was_given_up_changes_nothing(desk: Desk) -> None:
    late: list[Callable[[], None]] = []
    desk.begin = late.append
    desk.declare()
    desk.page(alone("person", "malte"))
    desk.look()
    desk.look(later=20 * clock.SECOND)
    late[0]()
    assert desk.look() == []
    assert [e.kind for e in desk.store.events("inc-1")][-2:] == ["page.failed", "page.unreachable"]


def test_code_of_a_provider_that_raises_has_failed_and_its_words_are_not_kept(desk: Desk) -> None:
    def raising(url: str, title: str, body: str) -> str:
        raise RuntimeError(f"the token in {url}")

    desk.pager = paging.Pager(
        desk.store, lambda: desk.config, whom=desk._whom, send=raising, begin=lambda run: run()
    )
    desk.declare()
    desk.page(BY_SCHEDULE)
    desk.look()
    assert {event.data["why"] for event in desk.events("page.failed")} == {"RuntimeError"}


def test_what_a_dead_process_had_begun_is_sent_again_and_says_so_everywhere(desk: Desk) -> None:
    desk.begin = lambda run: None  # the process dies between the provider's answer and the record
    desk.declare()
    desk.page(BY_SCHEDULE)
    desk.look()
    desk.begin = lambda run: run()
    desk.restart()
    desk.look()
    assert desk.texts[0][0].startswith("possibly repeated: inc-1")
    again = desk.events("page.sending")[-1]
    assert (again.data["attempt"], again.data["repeated"]) == (2, True)
    assert paging.line(desk.events("page.delivered")[0]).endswith("went out, possibly repeated")


def test_what_fell_due_while_nothing_ran_goes_out_at_once(desk: Desk) -> None:
    desk.declare()
    desk.page(BY_SCHEDULE)
    desk.look()
    desk.restart()
    desk.look(later=3 * clock.HOUR)
    assert desk.fired() == [["hazel"], ["malte"]]


def test_an_incident_that_nobody_can_be_paged_for_holds_up_no_other(desk: Desk) -> None:
    desk.declare()
    desk.declare()
    desk.page(Policy("odd", (Step("schedule", "infra", FIVE),)))
    desk.page(BY_SCHEDULE._replace(steps=BY_SCHEDULE.steps[1:]), stream="inc-2")
    desk.on_call["infra"] = ["x" * 500]
    desk.look()
    assert desk.sent == [("push", "malte")]
    assert len(desk.warned) == 1
    assert desk.warned[0].startswith("inc-1: what is due cannot be done")


def test_a_busy_incident_is_decided_on_as_it_stands_at_that_moment(desk: Desk) -> None:
    """Somebody acknowledges between the look and the record: nothing goes out."""
    desk.declare()
    desk.page(BY_SCHEDULE)
    taken = threading.Event()
    before = desk.on_call

    class Slow(dict[str, list[str]]):
        def __getitem__(self, name: str) -> list[str]:
            if not taken.is_set():
                taken.set()
                desk.say("page.acknowledged", page=2)
            return before[name]

    desk.on_call = Slow(before)
    assert desk.look() == []
    assert (taken.is_set(), desk.sent) == (True, [])


def test_notes_in_between_are_no_reason_not_to_page(desk: Desk) -> None:
    desk.declare()
    desk.page(BY_SCHEDULE)
    timeline.record(desk.store, *(note(str(n)) for n in range(1200)))
    desk.look()
    assert desk.sent == [("push", "hazel")]


# -- timers ------------------------------------------------------------------------------------------------------------


def test_of_two_processes_one_sends_and_the_other_takes_over_when_it_has_ended(
    desk: Desk, tmp_path: Path
) -> None:
    desk.declare()
    desk.page(BY_SCHEDULE)
    first = timers.Timers(desk.store, one=[desk.pager])
    second_pager = paging.Pager(
        desk.store, lambda: desk.config, whom=desk._whom, send=desk._send, begin=lambda run: run()
    )
    said: list[str] = []
    second = timers.Timers(desk.store, one=[second_pager], relieves=lambda: said.append("it acts"))
    assert first.look()
    assert (second.look(), second.acts) == ([], False)
    clock.advance(FIVE)
    assert second.look() == []
    first.finish()
    assert said == []
    assert [event.kind for event in second.look()][:1] == ["page.fired"]
    second.look()
    assert said == ["it acts"]
    second.finish()


def test_whoever_asks_learns_whether_anybody_sends(desk: Desk) -> None:
    asks, sends = timers.Lock(desk.store.path), timers.Lock(desk.store.path)
    assert not asks.taken()
    assert sends.take()
    assert asks.taken()
    sends.close()
    assert not asks.taken()
    asks.close()


def test_a_configuration_that_changes_holds_at_once_and_one_with_mistakes_does_not(
    desk: Desk, tmp_path: Path
) -> None:
    told: list[str] = []
    obeyed: list[Config] = []
    current = timers.Current(desk.config, told.append, obeyed.append)
    assert current() is desk.config
    file = tmp_path / "howdah.yaml"
    file.write_text(SEVERE)
    assert list(current().escalation) == ["bad", "all"]
    assert obeyed == [current()], "it is recorded before it counts"
    file.write_text("people: 3\n")
    assert list(current().escalation) == ["bad", "all"]
    assert len(told) == 1
    assert list(current().escalation) == ["bad", "all"]
    assert len(told) == 1


def test_a_channel_that_a_command_cannot_read_is_left_to_whoever_serves(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.configure(PEOPLE.replace('"json://push/{name}"', "env:HOWDAH_TEST_PUSH"))
    monkeypatch.delenv("HOWDAH_TEST_PUSH", raising=False)
    desk.declare()
    desk.page(alone("person", "malte"))
    left: dict[tuple[str, str], str] = {}
    desk.pager = paging.Pager(desk.store, lambda: desk.config, whom=desk._whom, send=desk._send, left=left)
    assert desk.look() == ["page.fired"] and desk.sent == []
    assert left == {("malte", "push"): "the secret's environment variable HOWDAH_TEST_PUSH is not set"}
    monkeypatch.setenv("HOWDAH_TEST_PUSH", "json://push/{name}")
    desk.restart()
    assert desk.look() == ["page.sending", "page.delivered"] and desk.sent == [("push", "malte")]


def test_the_next_channel_is_tried_where_the_first_is_left(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.configure(PEOPLE.replace('"json://push/{name}"', "env:HOWDAH_TEST_PUSH"))
    monkeypatch.delenv("HOWDAH_TEST_PUSH", raising=False)
    desk.declare()
    desk.page(alone("person", "hazel"))
    desk.pager = paging.Pager(
        desk.store, lambda: desk.config, whom=desk._whom, send=desk._send, begin=lambda run: run(), left={}
    )
    assert desk.look() == ["page.fired", "page.sending", "page.delivered"]
    assert desk.sent == [("mail", "h%40example.org")]
