"""Thirty days from 1 November 2022: ten people in three zones, and the load of a service that grows forty times.

A plain weekly rotation (whoever's week it is takes every page, works until it is over, then the next week's person is
called) beside ours: the same rotation, with the choice of `relief`, the limits of `strain` and the facts that the
command has. Both hear the same pages and miss them by the same luck. Deterministic by its seed.

Every choice of ours is checked by `Oracle`, which is written from the rules of docs/burnout.md and shares no code with
what it checks: while somebody may take a duty without breaking a limit, nobody is chosen who breaks one.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from incidents import clock
from incidents.oncall import load, relief, strain
from incidents.oncall.limits import Limits
from incidents.oncall.relief import Choice
from incidents.oncall.schedule import Span
from incidents.oncall.strain import Facts

MIN, HOUR, DAY = clock.MINUTE, clock.HOUR, clock.DAY
START = clock.parse_iso("2022-11-01T00:00:00Z")
DAYS = 30
TURN = clock.parse_iso("2022-10-31T09:00:00Z")  # a Monday
PEOPLE = {
    "ada": "America/Los_Angeles", "ben": "Europe/Berlin", "cleo": "Australia/Sydney", "dan": "America/Los_Angeles",
    "eva": "Europe/Berlin", "finn": "America/Los_Angeles", "gus": "Australia/Sydney", "hal": "Europe/Berlin",
    "ina": "America/Los_Angeles", "jo": "Australia/Sydney",
}  # fmt: skip
NAMES = tuple(PEOPLE)
CALLS = 4  # people who are called, one after the other
HANDOFF = 15 * MIN  # who is relieved at a limit works on until the relief says "I have it"
ANSWER, WAIT = 3 * MIN, 5 * MIN  # until somebody answers; until the next one is called
HOURS = (1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 6, 7, 8, 8, 8, 7, 6, 5, 3, 2)  # weight of each hour, UTC
STALL = clock.parse_iso("2022-11-27T08:00:00Z"), clock.parse_iso("2022-11-30T20:00:00Z")  # the site flaps


class Incident(NamedTuple):
    number: int
    start: int
    end: int


def incidents(seed: int, days: int = DAYS) -> list[Incident]:
    """From one a day to four while 720 people become 30,000; then three days and a half of flapping."""
    rng = random.Random(f"load {seed}")
    spans = []
    for day in range(days):
        for _ in range(_poisson(rng, 1 + 3 * day / DAYS)):
            at = START + day * DAY + rng.choices(range(24), HOURS)[0] * HOUR + rng.randrange(60) * MIN
            spans.append((at, at + _minutes(rng.lognormvariate(3.7, 0.9))))
    at = STALL[0]
    while at < STALL[1] and days == DAYS:
        end = at + _minutes(rng.lognormvariate(5.0, 0.6))
        spans.append((at, end))
        at = end + _minutes(rng.lognormvariate(4.2, 0.7))
    return [Incident(n, a, b) for n, (a, b) in enumerate(sorted(spans))]


def _minutes(number: float) -> int:
    return max(5, min(16 * 60, int(number))) * MIN


def _poisson(rng: random.Random, mean: float) -> int:
    count, left = 0, rng.expovariate(1)
    while left < mean:
        count += 1
        left += rng.expovariate(1)
    return count


# -- people --------------------------------------------------------------------------------------------------------


class Team:
    """What each has done so far; `now` ends what still lasts."""

    def __init__(self, people: Sequence[str] = NAMES):
        self.people = people
        self.work: dict[str, list[Span]] = {name: [] for name in people}
        self.pages: dict[str, list[int]] = {name: [] for name in people}
        self.duties = {name: tuple(_weeks(people, name)) for name in people}
        self.at_work: dict[int, tuple[str, int]] = {}  # incident -> who, since when

    def facts(self, now: int) -> dict[str, Facts]:
        lasting: dict[str, list[Span]] = {}
        for person, since in self.at_work.values():
            if since < now:
                lasting.setdefault(person, []).append((since, now))
        return {
            name: Facts(
                name, PEOPLE[name], tuple(_joined([*self.work[name], *lasting.get(name, ())])), self.duties[name],
                tuple(self.pages[name]),
            )
            for name in self.people
        }  # fmt: skip

    def begin(self, incident: int, person: str, at: int) -> None:
        self.end(incident, at)
        self.at_work[incident] = (person, at)

    def end(self, incident: int, at: int) -> None:
        if incident in self.at_work:
            person, since = self.at_work.pop(incident)
            if since < at:
                self.work[person].append((since, at))

    def misses(self, person: str, at: int, luck: float) -> bool:
        """Awake people miss few pages, sleepers some, the exhausted many."""
        day = [(max(a, at - DAY), min(b, at)) for a, b in self.work[person] if b > at - DAY and a < at]
        day += [(max(s, at - DAY), at) for p, s in self.at_work.values() if p == person and s < at]
        tired = sum(b - a for a, b in _joined(day)) >= 8 * HOUR
        asleep = _night(person, at) and not any(p == person for p, _ in self.at_work.values())
        return luck < 0.02 + (0.12 if asleep else 0) + (0.25 if tired else 0)


def _joined(spans: Sequence[Span]) -> list[Span]:
    found: list[Span] = []
    for a, b in sorted(spans):
        if found and a <= found[-1][1]:
            found[-1] = (found[-1][0], max(b, found[-1][1]))
        else:
            found.append((a, b))
    return found


def _weeks(people: Sequence[str], name: str) -> Iterator[Span]:
    for turn in range(-10, 20):
        if people[turn % len(people)] == name:
            yield TURN + turn * 7 * DAY, TURN + (turn + 1) * 7 * DAY


def _of_week(people: Sequence[str], at: int, after: int = 0) -> str:
    return people[((at - TURN) // (7 * DAY) + after) % len(people)]


def _local(person: str, at: int) -> datetime:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)).astimezone(
        ZoneInfo(PEOPLE[person])
    )


def _night(person: str, at: int) -> bool:
    return not 6 <= _local(person, at).hour < 22


# -- the two ways --------------------------------------------------------------------------------------------------------


class Said(NamedTuple):
    """A choice that breaks a limit, because nobody could be found who breaks none."""

    at: int
    reason: str


class Month(NamedTuple):
    """How it went. `unanswered`: pages that the first person did not take; `lost`: that nobody took."""

    team: Team
    calls: int
    unanswered: int
    lost: int
    choices: int = 0
    said: tuple[Said, ...] = ()
    broke: tuple[str, ...] = ()  # choices that the oracle finds wrong


def plain(seed: int, days: int = DAYS) -> Month:
    """Whoever takes a page works until it is over, whatever it costs."""
    team, unanswered, lost = Team(), 0, 0
    calm = incidents(seed, days)
    for one in calm:
        _end_before(team, calm, one.start)
        for n in range(CALLS):
            at, person = one.start + n * WAIT, _of_week(NAMES, one.start, n)
            if at >= one.end:
                break
            team.pages[person].append(at)
            if not team.misses(person, at, _luck(seed, one.number, n)):
                team.begin(one.number, person, at + ANSWER)
                break
            unanswered += n == 0
        else:
            lost += 1
    _end_before(team, calm, START + 2 * days * DAY)
    return Month(team, len(calm), unanswered, lost)


def _end_before(team: Team, all: Sequence[Incident], at: int) -> None:
    for number in list(team.at_work):
        if all[number].end <= at:
            team.end(number, all[number].end)


def _luck(seed: int, incident: int, call: int) -> float:
    return random.Random(f"luck {seed} {incident} {call}").random()


class Ours:
    """Events in the order of the clock: a page, somebody takes it, a limit is reached, the end."""

    def __init__(
        self, seed: int, days: int = DAYS, *, limits: Limits | None = None, people: Sequence[str] = NAMES
    ):
        self.seed, self.limits, self.people = seed, limits or Limits(), people
        self.team, self.oracle = Team(people), Oracle(self.limits)
        self.all = incidents(seed, days)
        self.queue = [(one.start, 1, "page", one.number, 0) for one in self.all]
        self.queue += [(one.end, 0, "end", one.number, 0) for one in self.all]
        heapq.heapify(self.queue)
        self.tried: dict[int, set[str]] = {one.number: set() for one in self.all}
        self.unanswered = self.lost = self.choices = 0
        self.said: list[Said] = []
        self.broke: list[str] = []

    def run(self) -> Month:
        while self.queue:
            at, _, what, number, n = heapq.heappop(self.queue)
            if what == "end":
                self.team.end(number, at)
            elif at < self.all[number].end:
                {"page": self._page, "takes": self._takes, "watch": self._watch}[what](at, number, n)
        said, broke = tuple(self.said), tuple(self.broke)
        return Month(self.team, len(self.all), self.unanswered, self.lost, self.choices, said, broke)

    def _later(self, at: int, what: str, number: int, n: int) -> None:
        heapq.heappush(self.queue, (at, 2, what, number, n))

    def _page(self, at: int, number: int, n: int) -> None:
        """Whom the schedule means, where that breaks no limit; else who may; after an unanswered call the next."""
        facts, left = self.team.facts(at), set(self.people) - self.tried[number]
        if n == 0:
            choice = relief.answering(_of_week(self.people, at), left, facts, self.limits, at)
        else:
            choice = relief.paging(left, facts, self.limits, at)
        self._check(choice, facts, left, at, at + relief.CALL, page=True)
        if not choice.person:
            self.lost += 1
        elif not self._answers(choice.person, at, number, n):
            self.unanswered += n == 0
            if n + 1 < CALLS:
                self._later(at + WAIT, "page", number, n + 1)
            else:
                self.lost += 1

    def _answers(self, person: str, at: int, number: int, n: int) -> bool:
        self.tried[number].add(person)
        self.team.pages[person].append(at)
        if self.team.misses(person, at, _luck(self.seed, number, n)):
            return False
        self._later(at + ANSWER, "takes", number, self.people.index(person))
        return True

    def _takes(self, at: int, number: int, who: int) -> None:
        self.team.begin(number, self.people[who], at)
        self.tried[number] = {self.people[who]}
        self._watch(at, number, who)

    def _watch(self, at: int, number: int, who: int) -> None:
        """The relief of whoever is at work is called when they reach a limit, and the next if that one sleeps on."""
        person = self.people[who]
        if self.team.at_work.get(number, ("", 0))[0] != person:
            return
        facts = self.team.facts(at)
        reached = strain.limit_at(facts[person], self.limits, at)
        if reached is None or reached[1] > at:
            if reached is not None:
                self._later(reached[1], "watch", number, who)
            return
        left = set(self.people) - self.tried[number] - {busy for busy, _ in self.team.at_work.values()}
        end = at + (self.limits.active or 8 * HOUR)
        choice = relief.relieving(person, left, facts, self.limits, at, end)
        self._check(choice, facts, left, at, end)
        if not choice.person:
            self._later(at + HOUR, "watch", number, who)
        elif not self._answers(choice.person, at, number, 10 + at // MIN):
            self._later(at + 15 * MIN, "watch", number, who)

    def _check(self, choice: Choice, facts: dict[str, Facts], people: set[str], start: int, end: int, *,
               page: bool = False) -> None:  # fmt: skip
        self.choices += 1
        may = [name for name in sorted(people) if not self.oracle.broken(facts[name], start, end, page=page)]
        if choice.breaches:
            self.said.append(Said(start, choice.reason))
        if may and choice.person not in may:
            self.broke.append(
                f"{clock.iso(start)}: {choice.person} although {', '.join(may)} might: {choice.reason}"
            )
        if people and bool(choice.breaches) == bool(may):
            self.broke.append(f"{clock.iso(start)}: said {choice.breaches}, {may} might: {choice.reason}")


# -- the oracle ----------------------------------------------------------------------------------------------------------


class Oracle:
    """The rules of docs/burnout.md once more, minute by minute, from their words."""

    def __init__(self, limits: Limits):
        self.limits = limits

    def broken(self, one: Facts, start: int, end: int, *, page: bool = False) -> set[str]:
        """`page`: it is a page only, from which whoever is at work loses no rest."""
        found = set()
        awake = page and any(a < start <= b for a, b in one.work)
        if not awake and (self._unrested(one, start, end) or self._next_unrested(one, end, start)):
            found.add("rest")
        if self._worked(one, start) + (end - start) > _or(self.limits.active):
            found.add("active")
        if _night(one.person, start) and self._pages_of_night(one, start) + 1 > _or(
            self.limits.pages_per_night
        ):
            found.add("pages_per_night")
        if self._pages_of_shift(one, start) + 1 > _or(self.limits.pages_per_shift):
            found.add("pages_per_shift")
        if self._too_many_days(one, start, end):
            found.add("consecutive_days")
        return found

    def _day(self, one: Facts, at: int, spans: Sequence[Span]) -> tuple[int, int, bool, int]:
        """Backwards from `at` until 11 undisturbed hours: begin and end of the day of work, whether some of it was at
        night, and how long it was worked."""
        rest = self.limits.rest or 0
        first = last = -1
        night, worked, quiet, t = False, 0, 0, at - MIN
        while quiet < rest and t > at - 60 * DAY:
            if any(a < t + MIN and b > t for a, b in spans):
                first, last = t, max(last, t + MIN)
                night = night or _night(one.person, t)
                worked, quiet = worked + MIN, 0
            else:
                quiet += MIN
            t -= MIN
        return first, last, night, worked

    def _awake(self, one: Facts) -> list[Span]:
        rest = self.limits.rest or 0
        return [*one.work, *(d for d in one.duties if d[1] - d[0] <= DAY - rest)]

    def _unrested(self, one: Facts, start: int, end: int) -> bool:
        first, _, night, worked = self._day(one, start, self._awake(one))
        return worked > 0 and (night or end - first > DAY - (self.limits.rest or 0))

    def _next_unrested(self, one: Facts, end: int, start: int) -> bool:
        return any(start < a < end + (self.limits.rest or 0) for a, _ in one.duties)

    def _worked(self, one: Facts, start: int) -> int:
        return self._day(one, start, one.work)[3]

    def _pages_of_night(self, one: Facts, at: int) -> int:
        t = at
        while _night(one.person, t - MIN):
            t -= MIN
        return sum(t <= page < at for page in one.pages)

    def _pages_of_shift(self, one: Facts, at: int) -> int:
        since = max([a for a, b in one.duties if a <= at < b], default=at - DAY)
        return sum(max(since, at - DAY) <= page < at for page in one.pages)

    def _too_many_days(self, one: Facts, start: int, end: int) -> bool:
        def days(spans: Sequence[Span]) -> float:
            a, b, grown = start, end, True
            if not any(x < end and y > start for x, y in spans):
                return 0
            while grown:
                grown = False
                for x, y in spans:
                    if x < b + DAY and y > a - DAY and (x < a or y > b):
                        a, b, grown = min(a, x), max(b, y), True
            return max(1, -(-(b - a - 2 * HOUR) // DAY))

        after = days([*one.duties, (start, end)])
        return after > _or(self.limits.consecutive_days) and after > days(one.duties)


def _or(limit: int | None) -> int:
    return 99 * DAY if limit is None else limit


# -- what came of it -------------------------------------------------------------------------------------------------------


class Result(NamedTuple):
    """`breaches`: days of work without 11 h of rest (less a handoff) in the 24 hours from their begin, over all people;
    `awake`: the longest stretch of work without six hours to sleep (µs)."""

    breaches: int
    awake: int
    gini: float
    night_pages: int
    unanswered: int
    lost: int


def result(month: Month) -> Result:
    breaches, awake, nights = 0, 0, []
    for name in month.team.people:
        work = _joined(month.team.work[name])
        breaches += _without_rest(work)
        awake = max(awake, _longest(work))
        nights.append(sum(_night(name, page) for page in month.team.pages[name]))
    return Result(breaches, awake, load.gini(nights), sum(nights), month.unanswered, month.lost)


def _without_rest(work: Sequence[Span]) -> int:
    """In how many of the 24 hours that begin with work there is no rest of 11 hours; each hour is in one at most."""
    found, since = 0, None
    for a, _ in work:
        if since is not None and a < since + DAY:
            continue
        since = a
        inside = [(max(x, a), min(y, a + DAY)) for x, y in work if x < a + DAY and y > a]
        edges = [a, *(t for span in inside for t in span), a + DAY]
        gaps = [edges[i + 1] - edges[i] for i in range(0, len(edges), 2)]
        found += max(gaps) < 11 * HOUR - HANDOFF
    return found


def _longest(work: Sequence[Span]) -> int:
    """The longest stretch of work in which there are no six hours to sleep."""
    best, begin, last = 0, None, 0
    for a, b in work:
        if begin is None or a - last >= 6 * HOUR:
            begin = a
        last = b
        best = max(best, b - begin)
    return best


# -- beside an optimum that knows everything beforehand ---------------------------------------------------------------------


class Small(NamedTuple):
    """A small case: limits broken by ours, which chooses as things come, and at least by anybody who knew them all."""

    ours: int
    optimum: int


def small(
    seed: int, *, people: Sequence[str] = NAMES[:3], count: int = 7, limits: Limits | None = None
) -> Small:
    """Incidents of three days, each of them one person's from its begin to its end."""
    limits = limits or Limits()
    rng = random.Random(f"small {seed}")
    starts = sorted(START + rng.randrange(3 * 24 * 60) * MIN for _ in range(count))
    spans = [(at, at + rng.randrange(30, 8 * 60) * MIN) for at in starts]
    oracle, history = Oracle(limits), {name: Facts(name, PEOPLE[name]) for name in people}
    ours = 0
    for a, b in spans:
        chosen = relief.choose(people, history, limits, a, b).person
        ours += len(oracle.broken(history[chosen], a, b))
        history = _with(history, chosen, a, b)
    first = {name: Facts(name, PEOPLE[name]) for name in people}
    return Small(ours, _least(oracle, first, spans, ours))


def _least(oracle: Oracle, history: dict[str, Facts], spans: Sequence[Span], bound: int) -> int:
    """Every assignment that can still be better than `bound` is tried."""
    if not spans or bound <= 0:
        return 0
    (a, b), rest = spans[0], spans[1:]
    costs = sorted((len(oracle.broken(one, a, b)), name) for name, one in history.items())
    for cost, name in costs:
        if cost >= bound:
            break
        bound = min(bound, cost + _least(oracle, _with(history, name, a, b), rest, bound - cost))
    return bound


def _with(history: dict[str, Facts], name: str, start: int, end: int) -> dict[str, Facts]:
    one = history[name]
    work = tuple(_joined([*one.work, (start, end)]))
    return {**history, name: one._replace(work=work, pages=(*one.pages, start))}
