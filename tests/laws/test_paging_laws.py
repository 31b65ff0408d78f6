"""A page whose process dies: between any two events, between send and record, once or again and again.

Held against a model that knows only the policy: when each step would have fired had nothing died. None is missing,
none comes before its time, none is late by more than the time in which nobody lived, every repeat is marked.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatops import paging
from incidents import clock, timeline
from incidents.config import Config
from incidents.escalation import pages
from incidents.escalation.contacts import Paging
from incidents.escalation.policy import Policy, Step
from incidents.people import People, Person
from incidents.store import open_store
from incidents.store.protocol import Store
from tests.drafts import NOVA, declared, draft

NOW = clock.parse_iso("2022-12-13T03:00:00Z")
TICK = 5 * clock.SECOND
CREW = ("hazel", "malte", "nova")
CONFIG = Config(
    people=People(Person(name, page=("push", "sms")) for name in CREW),
    paging=Paging({"push": "json://push/{name}", "sms": "json://sms/{name}"}),
)


class Killed(BaseException):
    """The process ends here."""


class Got(NamedTuple):
    """What a provider got."""

    at: int
    channel: str
    person: str
    marked: bool


class Life(NamedTuple):
    """A process that dies at its `points`th chance (before and after each record and each send); then nobody lives for
    `outage` µs. `reboot`: the machine died with it."""

    points: int
    outage: int
    reboot: bool = False


class World:
    """Provider, clock and mortal processes around one real record. `lost` µs were lived by nobody."""

    def __init__(self, store: Store, policy: Policy, crew: dict[str, Sequence[str]], broken: frozenset[str]):
        self.store, self.policy, self.crew, self.broken = store, policy, crew, broken
        self.got: list[Got] = []
        self.points: int | None = None  # None: nothing dies
        self.passed = 0
        self.lost: list[tuple[int, int]] = []  # from, until
        self.boot = 0

    def chance(self) -> None:
        self.passed += 1
        if self.points is not None:
            self.points -= 1
            if self.points < 0:
                raise Killed

    def send(self, url: str, title: str, body: str) -> str:
        self.chance()
        channel, person = url.removeprefix("json://").split("/")
        why = "refused" if channel in self.broken else ""
        if not why:
            self.got.append(Got(clock.wall(), channel, person, "possibly repeated" in title))
        self.chance()
        return why

    def whom(self, store: Store, config: Config) -> Callable[[str, int], Sequence[str]]:
        return lambda schedule, at: self.crew[schedule]

    def pager(self) -> paging.Pager:
        return paging.Pager(
            Mortal(self.store, self), lambda: CONFIG, whom=self.whom, send=self.send, begin=lambda run: run()
        )

    @property
    def page(self) -> pages.Page:
        return pages.fold(self.store.events("inc-1"))[2]

    def live(self, lives: Sequence[Life], acknowledged: int | None = None) -> None:
        """One life after the other; the last one, which is not listed, lives until the page is over."""
        rest = list(lives)
        pager, life = self.pager(), rest.pop(0) if rest else None
        self.points = life.points if life else None
        while not self.page.over:
            try:
                pager.look()
                clock.advance(TICK)
            except Killed:
                assert life is not None
                began = clock.wall()
                clock.advance(life.outage)
                self.lost.append((began, clock.wall()))
                self.boot += life.reboot
                pager, life = self.pager(), rest.pop(0) if rest else None
                self.points = life.points if life else None
            if acknowledged is not None and clock.wall() >= NOW + acknowledged and not self.page.over:
                timeline.record(self.store, draft("page.acknowledged", {"page": 2}))

    def lost_until(self, at: int, since: int = NOW) -> int:
        return sum(max(0, min(until, at) - max(began, since)) for began, until in self.lost)


class Mortal:
    """A store whose process may die right before or right after a record."""

    def __init__(self, store: Store, world: World):
        self._store, self._world = store, world

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def append(self, drafts: Any, **about: Any) -> Any:
        self._world.chance()
        made = self._store.append(drafts, **about)
        self._world.chance()
        return made


def ideal(policy: Policy, crew: dict[str, Sequence[str]]) -> list[int]:
    """When each step fires where nothing dies, µs after the page began: from the rules in docs/paging.md alone."""
    found, at = [], 0
    for _ in range(1 + policy.repeat):
        anybody = False
        for step in policy.steps:
            found.append(at)
            if crew[step.name] or policy.waits:
                at += step.wait
                anybody = anybody or bool(crew[step.name])
        if not anybody and not policy.waits:
            break
    return found


def play(
    policy: Policy, crew: dict[str, Sequence[str]], lives: Sequence[Life] = (), broken: frozenset[str] = frozenset(),
    acknowledged: int | None = None,
) -> World:  # fmt: skip
    with (
        tempfile.TemporaryDirectory() as folder,
        clock.freeze(NOW),
        open_store(f"{folder}/store.db") as store,
    ):
        world = World(store, policy, crew, broken)
        with mock.patch.object(clock, "boot_id", lambda: f"boot-{world.boot}"):
            store.append([declared()])
            timeline.record(store, pages.begin("inc-1", policy, target=policy.name, actor=NOVA))
            world.live(lives, acknowledged)
            judge(world, store, acknowledged)
    return world


def judge(world: World, store: Store, acknowledged: int | None) -> None:
    page, events = world.page, list(store.events("inc-1"))
    fired = [event for event in events if event.kind == "page.fired"]
    times = ideal(world.policy, world.crew)
    assert [event.data["n"] for event in fired] == list(range(len(fired))), "each step once, in order"
    if acknowledged is None:
        assert (page.over, len(fired)) == ("exhausted", len(times)), "none is missing"
    for event, time in zip(fired, times, strict=False):
        at = event.recorded_at
        assert at >= NOW + time, "none before its time"
        assert at <= NOW + time + world.lost_until(at) + (event.data["n"] + 1) * TICK, (
            "none later than the outage"
        )
    taken = next((e.recorded_at for e in events if e.kind == "page.acknowledged"), None)
    assert all(got.at <= taken for got in world.got) if taken is not None else True, (
        "nothing after it was taken"
    )
    _judge_sends(world, fired, taken)


def _judge_sends(world: World, fired: Sequence[Any], taken: int | None) -> None:
    working = next((channel for channel in ("push", "sms") if channel not in world.broken), None)
    meant = [(event.recorded_at, person) for event in fired for person in event.data["people"]]
    for person in CREW:
        got = [one for one in world.got if one.person == person]
        mine = [at for at, whom in meant if whom == person]
        first = [one for one in got if not one.marked]
        assert {one.channel for one in got} <= {working}
        assert len(first) <= len(mine), "a repeat says that it is one"
        assert len(got) <= len(mine) + len(world.lost), "no repeat without a death"
        if taken is None and working is not None:
            assert len(got) >= len(mine), "none is missing"
            assert (person in {whom for _, whom in page_unreachable(world)}) is False
        if working is None:
            assert got == []
    if working is not None and taken is None:
        for at, person in meant:
            on_time = [one for one in world.got if one.person == person and one.at >= at]
            assert on_time, f"{person} was never reached"
            soonest = min(one.at for one in on_time)
            assert soonest <= at + world.lost_until(soonest, at) + 2 * TICK, "none later than the outage"


def page_unreachable(world: World) -> set[tuple[int, str]]:
    return world.page.unreachable


NIGHT = Policy(
    "night", (Step("schedule", "a", clock.MINUTE), Step("schedule", "none", clock.MINUTE), Step("schedule", "b", 2 * clock.MINUTE)),
    repeat=1,
)  # fmt: skip
NIGHT_CREW: dict[str, Sequence[str]] = {"a": ["hazel", "malte"], "none": [], "b": ["nova"]}
CHANCES = play(NIGHT, NIGHT_CREW, broken=frozenset({"push"})).passed


def test_there_are_many_chances_to_die() -> None:
    assert CHANCES > 60


@pytest.mark.parametrize("points", range(CHANCES))
def test_a_death_at_any_point_loses_nothing_and_marks_what_it_repeats(points: int) -> None:
    life = Life(points, 7 * clock.MINUTE, reboot=points % 2 == 1)
    play(NIGHT, NIGHT_CREW, [life], broken=frozenset({"push"}))


@pytest.mark.parametrize("points", [2, 3, 4, 5])
def test_a_process_that_dies_again_and_again_still_gets_through(points: int) -> None:
    """As many events as a life has time for, then a restart: between every two events, over the whole page."""
    play(NIGHT, NIGHT_CREW, [Life(points, clock.MINUTE)] * 60)


PEOPLE_OF_A_STEP = st.lists(st.sampled_from(CREW), max_size=2, unique=True)
STEPS = st.lists(st.tuples(PEOPLE_OF_A_STEP, st.integers(1, 30)), min_size=1, max_size=3)
LIVES = st.lists(
    st.builds(Life, st.integers(0, 12), st.integers(0, 40).map(lambda n: n * TICK), st.booleans()), max_size=8
)


@settings(max_examples=60, deadline=None)
@given(
    steps=STEPS, repeat=st.integers(0, 1), waits=st.booleans(), lives=LIVES,
    broken=st.sampled_from([frozenset[str](), frozenset({"push"}), frozenset({"push", "sms"})]),
    acknowledged=st.none() | st.integers(0, 60).map(lambda n: n * TICK),
)  # fmt: skip
def test_whatever_dies_and_whenever_somebody_takes_it(
    steps: list[tuple[list[str], int]], repeat: int, waits: bool, lives: list[Life], broken: frozenset[str],
    acknowledged: int | None,
) -> None:  # fmt: skip
    crew: dict[str, Sequence[str]] = {f"s{i}": people for i, (people, _) in enumerate(steps)}
    policy = Policy(
        "p", tuple(Step("schedule", f"s{i}", wait * TICK) for i, (_, wait) in enumerate(steps)), repeat, waits
    )
    play(policy, crew, lives, broken, acknowledged)
