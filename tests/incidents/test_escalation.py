"""Whom a page goes to next, from the log and the clocks alone; and what an `escalation:` and `paging:` may say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from incidents import clock, config, timeline
from incidents.errors import BadInput, Mistakes
from incidents.escalation import contacts, pages
from incidents.escalation import due as owed
from incidents.escalation.due import Exhaust, Fire, GiveUp, Send, Unreachable
from incidents.escalation.policy import Policy, Step, of_facts
from incidents.people import Person
from incidents.store import open_store
from incidents.store.protocol import Store
from tests.drafts import NOVA, declared, draft

NOW = clock.parse_iso("2022-12-13T03:00:00Z")
FIVE = 5 * clock.MINUTE
NIGHT = Policy(
    "night", (Step("schedule", "infra", FIVE), Step("person", "nova", 10 * clock.MINUTE)), repeat=1
)


# -- the file ----------------------------------------------------------------------------------------------------------

GOOD = """\
people:
  hazel: {discord: "123456789012345678", roles: [commander], contacts: {phone: "+49 30 1"}, page: [discord, push, sms]}
  nova: {roles: [commander], contacts: {mail: "nova+night@example.org"}, page: mail}
  malte: {}
schedules:
  infra: {layers: [{id: all, users: [hazel]}]}
escalation:
  infra:
    steps:
      - {schedule: infra, wait: 5m}
      - {person: nova}
      - {role: commander, wait: 10m, round_robin: true}
    repeat: 2
    empty_step: wait
    severities: [sev1, sev2]
paging:
  channels:
    push: env:PUSH_URL
    sms: file:/etc/howdah/sms.url
    mail: "mailto://127.0.0.1:25?from=howdah@example.org&to={mail}"
  default: [push]
  timeout: 10s
"""


def load(tmp_path: Path, text: str) -> config.Config:
    file = tmp_path / "howdah.yaml"
    file.write_text(text)
    return config.load(str(file))


def test_a_policy_has_its_steps_in_their_order(tmp_path: Path) -> None:
    found = load(tmp_path, GOOD)
    assert found.escalation["infra"] == Policy(
        "infra",
        (
            Step("schedule", "infra", 5 * clock.MINUTE),
            Step("person", "nova", 5 * clock.MINUTE),
            Step("role", "commander", 10 * clock.MINUTE, round_robin=True),
        ),
        repeat=2,
        waits=True,
        severities=("sev1", "sev2"),
    )
    assert found.paging is not None
    assert (found.paging.default, found.paging.timeout) == (("push",), 10 * clock.SECOND)


def test_what_a_page_goes_by_survives_the_record(tmp_path: Path) -> None:
    policy = load(tmp_path, GOOD).escalation["infra"]
    assert of_facts(policy.facts()) == policy._replace(severities=())


def test_each_person_has_their_own_order_of_channels_else_the_default(tmp_path: Path) -> None:
    found = load(tmp_path, GOOD)
    assert found.paging is not None
    ways = {
        name: contacts.ways(found.people.get(name), found.paging)
        for name in ("hazel", "nova", "malte", "who")
    }
    assert ways == {"hazel": ("discord", "push", "sms"), "nova": ("mail",), "malte": ("push",), "who": ()}


def test_without_any_rule_a_person_is_paged_in_the_chat_they_have_an_account_of() -> None:
    hazel = Person("hazel", accounts=(("discord", "123456789012345678"),))
    assert contacts.ways(hazel, contacts.Paging()) == ("discord",)
    assert contacts.ways(Person("malte", accounts=(("unix", "malte"),)), contacts.Paging()) == ()


def test_a_default_that_names_the_chat_is_no_way_to_who_has_no_account_there() -> None:
    assert contacts.ways(Person("malte"), contacts.Paging({"push": "env:P"}, ("discord", "push"))) == (
        "push",
    )


def test_a_contact_is_a_part_of_a_url_whatever_stands_in_it() -> None:
    nova = Person("nova", contacts={"mail": "a/b?to=x&c@d", "phone": "+1 555 0100"})
    assert (
        contacts.fill("sms://u:p@h/{phone}?m={mail}", nova)
        == "sms://u:p@h/%2B1%20555%200100?m=a%2Fb%3Fto%3Dx%26c%40d"
    )
    with pytest.raises(BadInput, match="nova has no contact 'pager'"):
        contacts.fill("x://{pager}", nova)


def test_a_url_in_the_file_itself_is_a_doubt(tmp_path: Path) -> None:
    (doubt,) = (one for one in load(tmp_path, GOOD).doubts if "mail" in one.message)
    assert (doubt.line, doubt.column) == (20, 11)
    assert "the record keeps every version of this file" in doubt.message


BAD = """\
people:
  nova: {contacts: {phone: "1"}, page: [discord, pusch, push, push, mail]}
escalation:
  nova: {steps: [{person: nova}]}
  infra:
    steps:
      - {schedule: infra, wait: 5m}
      - {person: nova, wait: 5}
      - {role: comander}
      - {person: nova, role: commander}
      - {wait: 3d}
      - nova
      - {person: [nova], round_robin: yes, weight: 5m}
    repeat: 6
    empty_step: jump
    severities: [sev1, sev9]
    step: 1
  empty: {steps: []}
  no: [1]
paging:
  channels: {push: env:PUSH, mail: "mailto://h?to={mail}", Discord: env:X, discord: env:X, odd: just words}
  default: [telegram]
  timeout: 1h
  chanels: {}
"""


def test_every_mistake_of_a_policy_and_of_the_channels_is_found_at_once_with_its_place(
    tmp_path: Path,
) -> None:
    with pytest.raises(Mistakes) as caught:
        load(tmp_path, BAD)
    file = f"{tmp_path / 'howdah.yaml'}:"
    assert [str(one).removeprefix(file) for one in caught.value.mistakes] == [
        "2:41: nova has no discord account; give them one: `discord: ID`",
        "2:50: nova: there is no channel 'pusch'; did you mean push?",
        "2:63: nova: push stands here twice; each is tried once for a page",
        "2:69: nova has no contact 'mail'; the channel mail needs it in `contacts:`",
        "4:3: nova: is also a person; `howdah page` would not know which is meant",
        "7:20: infra: there is no schedule 'infra'; schedules: of this file names them",
        "8:30: infra: wait: '5' is not a duration; write 90s, 5m or 1h30m",
        "9:16: infra: nobody has the role 'comander'; people: of this file names them",
        "10:9: infra: a step names person and role; give it one of schedule, person, role",
        "11:9: infra: a step names nobody; give it one of schedule, person, role",
        "12:9: infra: a step is a map; write `steps: [{schedule: infra, wait: 5m}]`",
        "13:18: infra: person is one name; two people of one step are a schedule or a role",
        "13:39: infra: round_robin is true or false",
        "13:44: infra: a step has no 'weight'; did you mean wait?",
        "14:13: infra: repeat is a number from 0 to 5; passes after the first one",
        "15:17: infra: empty_step is skip or wait",
        "16:24: infra: there is no severity 'sev9'; write `severities: [sev1, sev2]`",
        "17:5: infra: a policy has no 'step'; did you mean steps?",
        "18:18: empty: needs a list of steps; write `steps: [{schedule: infra, wait: 5m}]`",
        "19:7: no: a policy is a map; write `steps: [{schedule: infra, wait: 5m}]`",
        "21:60: a channel cannot be called 'Discord'; use a-z 0-9 _ -",
        "21:76: discord is the chat itself; `page: [discord]` needs no channel",
        "21:97: odd: is neither a reference nor an apprise URL; write `channels: {push: env:PUSH_URL}`; "
        "an apprise URL stands behind the reference",
        "22:13: there is no channel 'telegram'; there is discord, push, mail",
        "23:12: timeout is from 1s to 2m; timeout: 20s",
        "24:3: paging has no 'chanels'; did you mean channels?",
    ]


# -- what is due -------------------------------------------------------------------------------------------------------


class Log:
    """One incident whose only page goes by `policy`, on a clock that stands still until it is moved."""

    def __init__(self, store: Store, policy: Policy = NIGHT):
        self.store = store
        store.append([declared()])
        timeline.record(store, pages.begin("inc-1", policy, target=policy.name, actor=NOVA))

    @property
    def page(self) -> pages.Page:
        (page,) = pages.fold(self.store.events("inc-1")).values()
        return page

    def say(self, kind: str, **data: Any) -> None:
        kind = kind if "." in kind else f"page.{kind}"
        data = data if kind.startswith("incident") else {"page": 2, **data}
        timeline.record(self.store, draft(kind, data))

    def fire(self, n: int, *people: str, wait: int = FIVE) -> None:
        self.say(
            "fired", n=n, step=1, round=1, target="x", people=list(people), wait=wait, due=clock.wall() + wait, why=""
        )  # fmt: skip

    def try_(self, person: str, channel: str, outcome: str = "", n: int = 0, attempt: int = 1) -> None:
        data = {"n": n, "person": person, "channel": channel, "attempt": attempt}
        self.say("sending", **data)
        if outcome:
            self.say(outcome, **data, **({"why": "broken"} if outcome == "failed" else {}))

    def due(self, *ways: str, in_flight: tuple[owed.Flight, ...] = ()) -> list[owed.Act]:
        return owed.due(self.page, clock.read(), lambda person: ways or ("push", "sms"), in_flight)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with clock.freeze(NOW), open_store(str(tmp_path / "store.db")) as opened:
        yield opened


@pytest.fixture
def log(store: Store) -> Log:
    return Log(store)


def test_a_page_begins_with_its_first_step_at_once(log: Log) -> None:
    assert log.due() == [Fire(0)]


def test_everyone_a_step_means_is_paged_by_the_first_of_their_channels(log: Log) -> None:
    log.fire(0, "hazel", "malte")
    assert log.due() == [Send(0, "hazel", "push", 1, False), Send(0, "malte", "push", 1, False)]


def test_a_channel_that_failed_falls_through_to_the_next_and_then_nobody_pretends(log: Log) -> None:
    log.fire(0, "hazel")
    log.try_("hazel", "push", "failed")
    assert log.due() == [Send(0, "hazel", "sms", 1, False)]
    log.try_("hazel", "sms", "failed")
    assert log.due() == [Unreachable(0, "hazel", "every channel failed")]
    log.say("unreachable", n=0, person="hazel", why="every channel failed")
    assert log.due() == []


def test_who_has_no_channel_is_said_to_be_unreachable(log: Log) -> None:
    log.fire(0, "hazel")
    found = owed.due(log.page, clock.read(), lambda person: ())
    assert found == [Unreachable(0, "hazel", "there is no channel to page them by")]


def test_what_one_channel_took_goes_to_no_other(log: Log) -> None:
    log.fire(0, "hazel")
    log.try_("hazel", "push", "delivered")
    assert log.due() == []


def test_a_send_whose_end_nobody_knows_is_sent_again_and_says_so(log: Log) -> None:
    log.fire(0, "hazel")
    log.try_("hazel", "push")
    assert log.due(in_flight=((0, "hazel", "push", 1),)) == [], "this process is at it"
    assert log.due() == [Send(0, "hazel", "push", 2, True)], "its process died"


def test_the_next_step_fires_when_the_wait_is_over_and_not_before(log: Log) -> None:
    log.fire(0, "hazel")
    log.try_("hazel", "push", "delivered")
    clock.advance(FIVE - 1)
    assert log.due() == []
    clock.advance(1)
    assert log.due() == [Fire(1)]


def test_after_an_outage_what_fell_due_is_due_at_once_and_what_was_not_sent_still_is(log: Log) -> None:
    log.fire(0, "hazel")
    clock.advance(3 * clock.HOUR)
    assert log.due() == [Send(0, "hazel", "push", 1, False), Fire(1)]


def test_the_wait_after_a_late_step_is_its_own_in_full(log: Log) -> None:
    log.fire(0, "hazel")
    clock.advance(3 * clock.HOUR)
    log.fire(1, "nova", wait=10 * clock.MINUTE)
    assert Fire(2) not in log.due()


@pytest.mark.parametrize("waits", [False, True])
def test_a_step_with_nobody_is_skipped_at_once_unless_the_policy_says_wait(store: Store, waits: bool) -> None:
    """GoAlert waits the whole delay at a step that has nobody (target/goalert 4548)."""
    log = Log(store, NIGHT._replace(waits=waits))
    log.fire(0)
    assert log.due() == ([] if waits else [Fire(1)])
    clock.advance(FIVE)
    assert log.due() == [Fire(1)]


def test_a_pass_without_anybody_is_the_end_and_is_not_repeated(log: Log) -> None:
    log.fire(0)
    log.fire(1)
    assert log.due() == [Exhaust("no step has anybody")]


def test_the_steps_come_again_as_often_as_the_policy_says_and_then_the_page_is_exhausted(log: Log) -> None:
    for n in range(4):
        assert Fire(n) in log.due()
        log.fire(n, "hazel")
        log.try_("hazel", "push", "delivered", n=n)
        assert log.due() == []
        clock.advance(FIVE)
    assert log.due() == [Exhaust("nobody has acknowledged it")]
    log.say("exhausted", why="nobody has acknowledged it")
    assert (log.due(), log.page.over) == ([], "exhausted")


def test_after_an_outage_the_end_waits_for_those_who_were_not_paged_yet(store: Store) -> None:
    log = Log(store, NIGHT._replace(steps=NIGHT.steps[:1], repeat=0))
    log.fire(0, "hazel")
    clock.advance(clock.HOUR)
    assert log.due() == [Send(0, "hazel", "push", 1, False)]
    log.try_("hazel", "push")
    assert log.due(in_flight=((0, "hazel", "push", 1),)) == []
    log.say("delivered", n=0, person="hazel", channel="push", attempt=1)
    assert log.due() == [Exhaust("nobody has acknowledged it")]


def test_who_answers_after_the_end_has_answered(log: Log) -> None:
    log.say("exhausted", why="nobody has acknowledged it")
    log.say("acknowledged")
    assert log.page.over == "acknowledged"


@pytest.mark.parametrize("kind", ["acknowledged", "incident.resolved", "incident.cancelled"])
def test_nothing_goes_out_once_somebody_has_it_or_the_incident_is_over(log: Log, kind: str) -> None:
    log.fire(0, "hazel")
    log.say(kind)
    clock.advance(clock.DAY)
    assert log.due() == []
    assert log.page.over == kind.removeprefix("incident.")


def test_a_page_that_ended_with_its_incident_does_not_come_back_with_it(log: Log) -> None:
    log.say("incident.resolved")
    log.say("incident.reopened")
    assert log.due() == []


def test_to_escalate_is_to_have_the_next_step_now_once(log: Log) -> None:
    log.fire(0, "hazel")
    log.try_("hazel", "push", "delivered")
    log.say("escalated", n=0)
    assert log.due() == [Fire(1)]
    log.fire(1, "nova")
    log.try_("nova", "push", "delivered", n=1)
    assert log.due() == []


def test_a_mention_that_no_chat_shows_has_failed_after_its_time(log: Log) -> None:
    log.fire(0, "hazel")
    log.try_("hazel", "discord")
    assert log.due("discord", "push") == []
    clock.advance(owed.CHAT_WAIT)
    (given_up,) = log.due("discord", "push")
    assert isinstance(given_up, GiveUp)
    log.say("failed", n=0, person="hazel", channel="discord", attempt=1, why=given_up.why)
    assert log.due("discord", "push") == [Send(0, "hazel", "push", 1, False)]


def test_a_wall_clock_that_was_stepped_moves_no_wait_within_a_boot_and_wakes_rather_than_sleeps_after_it() -> (
    None
):
    began = clock.Reading(NOW, "boot", 1_000_000)
    assert not owed.passed(began, FIVE, clock.Reading(NOW + clock.DAY, "boot", 2_000_000))
    assert owed.passed(began, FIVE, clock.Reading(NOW - clock.DAY, "boot", 1_000_000 + FIVE))
    assert not owed.passed(began, FIVE, clock.Reading(NOW + FIVE - 1, "other", 5))
    assert owed.passed(began, FIVE, clock.Reading(NOW + FIVE, "other", 5))
    assert owed.passed(began, FIVE, clock.Reading(NOW - 1, "other", 5)), "the clock stands before the log"


def test_of_several_who_take_turns_it_is_the_one_paged_longest_ago(store: Store, log: Log) -> None:
    assert owed.turn(["hazel", "malte"], {}) == "hazel"
    log.fire(0, "hazel")
    clock.advance(1)
    log.fire(1, "malte")
    paged: dict[str, int] = {}
    pages.last_paged(store.events("inc-1"), paged)
    assert owed.turn(["malte", "hazel"], paged) == "hazel"
    assert owed.turn(["malte", "hazel", "nova"], paged) == "nova", "who never was comes first"


def test_a_page_whose_begin_is_redacted_pages_nobody(store: Store, log: Log) -> None:
    timeline.redact(store, "inc-1", [2], "it named somebody", NOVA)
    assert pages.fold(store.events("inc-1")) == {}
