"""A long night: fourteen hours of one incident, from the terminal alone. Reliefs are named before a limit, briefed and
acknowledged; who was relieved rests; a shift ends in the middle of it. Run with -s to read what people see."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from incidents import clock
from incidents.events import Event
from incidents.store import open_store
from tests.stories.providers import Providers, providers
from tests.stories.scene import Scene, ended, until

CONFIG = """\
people:
  nova: {unix: nova, zone: America/Los_Angeles, page: [push]}
  hazel: {unix: hazel, zone: Europe/Berlin, page: [push]}
  preston: {unix: preston, zone: America/Los_Angeles, page: [push]}
  kim: {unix: kim, zone: Australia/Sydney, page: [push]}
  malte: {unix: malte, zone: Europe/Berlin, page: [push]}
schedules:
  infra:
    timezone: Europe/Berlin
    layers:
      - {id: week, rotation: {unit: week, start: "2022-11-21T09:00",
         participants: [[nova], [hazel], [preston], [kim], [malte]]}}
escalation:
  infra: {steps: [{schedule: infra, wait: 15m}], severities: [sev1]}
paging: {channels: {push: "file:FOLDER/push.url"}}
limits: {active: 5h}
"""


class LongNight:
    """`at` moves the clock; `timers` is one life of `howdah serve` at that hour."""

    def __init__(self, scene: Scene, known: Providers):
        self.scene, self.known = scene, known
        scene.runbook(CONFIG.replace("FOLDER", scene.folder), "howdah.yaml")
        with open(os.path.join(scene.folder, "push.url"), "w", encoding="utf-8") as file:
            file.write(known.push_url + "\n")
        self.env: dict[str, str] = {}

    def at(self, time: str) -> None:
        offset = clock.parse_iso(f"2022-11-{time}:00Z") - clock.wall()
        self.env = {"HOWDAH_TEST_CLOCK_OFFSET": str(offset), "HOWDAH_TEST_BOOT": f"at-{time}"}
        print(f"\n━━━━ {time}Z ━━━━")

    def __call__(self, by: str, *args: str) -> str:
        answer = self.scene(*args, by=by, **self.env)
        print(f"\n{by}$ howdah {' '.join(args)}\n{answer.text}")
        assert answer.code == 0, answer
        return answer.out

    def refused(self, by: str, *args: str) -> str:
        answer = self.scene(*args, by=by, **self.env)
        assert answer.code == 4, answer
        print(f"\n{by}$ howdah {' '.join(args)}\n{answer.err}")
        return answer.err

    def timers(self, *kinds: str, stream: str = "inc-1") -> list[Event]:
        """A process that runs the timers until these kinds are recorded anew, in this order."""
        before = len(self.events(stream))
        life = self.scene.begin("serve", by="howdah", **self.env)
        wanted = list(kinds)

        def look() -> list[Event]:
            new = [event for event in self.events(stream)[before:] if event.kind in wanted]
            return new if {event.kind for event in new} >= set(wanted) else []

        found = until(look, f"{kinds}")
        life.terminate()
        print(f"\nhowdah serve\n{ended(life).text}")
        return found

    def events(self, stream: str = "inc-1") -> list[Event]:
        with open_store(self.scene.store) as store:
            return list(store.events(stream))


@pytest.fixture
def night(scene: Scene) -> Iterator[LongNight]:
    with providers() as known:
        yield LongNight(scene, known)


def test_fourteen_hours_in_which_everybody_is_sent_to_bed_in_time(night: LongNight) -> None:
    night.at("27T20:00")
    night("hazel", "declare", "images fail, the site flaps", "--sev", "1")
    assert [push.person for push in night.known.pushes] == ["nova"]
    night("nova", "ack")
    night("nova", "role", "commander", "me")
    night("nova", "note", "--about", "impact", "images fail for everybody, pages take 20 s")
    night("nova", "note", "restarted nfsd on alice: no change")

    night.at("28T00:05")
    (named,) = night.timers("relief.named")
    assert (named.data["person"], named.data["relief"], named.data["breaks"]) == ("nova", "kim", [])
    assert named.body.startswith("kim: 0 night pages in 8 weeks")
    night("nova", "status")

    night.at("28T01:02")
    night.timers("handoff.offered", "page.delivered")
    assert night.known.pushes[-1].person == "kim"
    assert "take over commander from nova: howdah handoff ack" in night.known.pushes[-1].message
    assert "hurts    images fail for everybody" in night.known.pushes[-1].message
    print(f"\nkim's phone: {night.known.pushes[-1].title}\n{night.known.pushes[-1].message}")
    assert "You take over commander from nova, who has reached a limit" in night("kim", "handoff")
    assert "nothing waits for nova" in night.refused("nova", "handoff", "ack")
    night.at("28T01:06")
    said = night("kim", "handoff", "ack")
    assert "kim has commander, nova has not any more" in said
    assert "nova rests until" in said
    assert "commander  kim" in night("kim", "role")
    night("kim", "note", "sdg and sdh are at 100 % before each outage")

    night.at("28T06:08")
    named, offered, _ = night.timers("relief.named", "handoff.offered", "page.delivered")
    assert (named.data["relief"], offered.data["receiver"]) == ("malte", ["malte"])
    assert "hazel: rest" in named.body, "whose own shift begins at 08:00"
    night.at("28T06:24")
    overdue = night.timers("handoff.overdue", "page.delivered")[0]
    assert (overdue.importance, overdue.data["people"], overdue.data["next"]) == (
        "high",
        ["malte"],
        "preston",
    )
    assert "commander  kim" in night("kim", "role")
    night.at("28T06:30")
    assert "malte has commander" in night("malte", "handoff", "ack")
    assert "nothing waits for preston" in night.refused("preston", "handoff", "ack")

    night.at("28T08:01")
    (brief,) = night.timers("handoff.offered", stream="oncall")
    assert (brief.data["receiver"], brief.data["giver"]) == (["hazel"], ["nova"])
    assert "images fail, the site flaps" in brief.body and "who      commander malte" in brief.body
    assert "You take over infra from nova, whose shift is over" in night("hazel", "handoff")
    assert "hazel has infra" in night("hazel", "handoff", "ack")

    night.at("28T10:00")
    night("malte", "resolve", "media is served from the object store, NFS is off")
    night("hazel", "timeline")
    load = night("hazel", "people", "load", "--weeks", "2")
    assert max(map(len, load.splitlines())) <= 80
    longest = max((end - start) / clock.HOUR for spans in worked(night).values() for start, end in spans)
    assert longest < 5.6, "nobody worked longer than the limit and the minutes until the relief had it"
    assert not [event for event in night.events() if event.kind == "relief.named" and event.data["breaks"]]


def worked(night: LongNight) -> dict[str, tuple[tuple[int, int], ...]]:
    from incidents.oncall import active

    return active.at_work(night.events(), clock.parse_iso("2022-11-28T10:00:00Z"))
