"""Who takes over: the least loaded of those who may without breaking a limit, and the reason in words.

Whoever may not is passed over, with what they would break and until when. When nobody may, the least bad is chosen and
the reason says which limit is broken, for whom, and why nobody else. Whoever is absent is never chosen. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from incidents import clock
from incidents.oncall import strain
from incidents.oncall.limits import Limits
from incidents.oncall.strain import Breach, Facts

WEEKS = 8  # the load of so many weeks is compared
CALL = clock.HOUR  # of work that a page is reckoned with


class Load(NamedTuple):
    """What is compared, the lower the better, in this order."""

    woken: bool  # it begins in their night
    night: int  # µs of it in their nights
    night_pages: int
    pages: int
    work: int  # µs in incidents
    tired: int  # µs that are lacking to a rest of two days
    person: str


class Passed(NamedTuple):
    person: str
    why: str


class Choice(NamedTuple):
    """`person` is "" where nobody is left to choose. `breaches` are the limits that the choice breaks: none, while
    somebody may take it without."""

    person: str
    reason: str
    breaches: tuple[Breach, ...] = ()
    passed: tuple[Passed, ...] = ()


def choose(candidates: Iterable[str], facts: Mapping[str, Facts], limits: Limits, start: int, end: int, *,
           work: bool = True, pages: int = 1) -> Choice:  # fmt: skip
    """Who of `candidates` takes the duty [start, end), which begins with so many pages.

    `work`: at work all the time, as a relief in an incident is; else on standby. Whom `facts` does not know has
    nothing behind them.
    """

    def broken(one: Facts) -> list[Breach]:
        return strain.broken(one, limits, start, end, pages=pages, work=work)

    return _chosen(candidates, facts, start, end, broken)


def _chosen(candidates: Iterable[str], facts: Mapping[str, Facts], start: int, end: int,
            broken: Callable[[Facts], list[Breach]]) -> Choice:  # fmt: skip
    free: list[Facts] = []
    passed: list[tuple[Facts, list[Breach]]] = []
    away: list[Passed] = []
    for name in sorted(set(candidates)):
        one = facts.get(name, Facts(name))
        if one.absent(start, end):
            away.append(Passed(name, "absent"))
            continue
        breaches = broken(one)
        passed.append((one, breaches)) if breaches else free.append(one)
    over = [Passed(one.person, _why(breaches[:1], one.zone, start)) for one, breaches in passed]
    if free:
        best = min(free, key=lambda one: load(one, start, end))
        return Choice(best.person, _reason(best, start, over + away), (), tuple(over + away))
    if not passed:
        nobody = "there is nobody else to take it" + (": " + _listed(away) if away else "")
        return Choice("", nobody, (), tuple(away))
    worst, breaches = min(passed, key=lambda pair: (sum(b.over for b in pair[1]), load(pair[0], start, end)))
    others = [one for one in over + away if one.person != worst.person]
    return Choice(worst.person, _least_bad(worst, breaches, start, others), tuple(breaches), tuple(others))


def paging(candidates: Iterable[str], facts: Mapping[str, Facts], limits: Limits, at: int) -> Choice:
    """Whom of `candidates` a page at `at` goes to."""
    end = at + CALL
    return _chosen(candidates, facts, at, end, lambda one: strain.called(one, limits, at, end))


def answering(person: str, candidates: Iterable[str], facts: Mapping[str, Facts], limits: Limits, at: int, *,
              here: bool = False) -> Choice:  # fmt: skip
    """Who takes a page at `at` that the schedule means for `person`: they themselves where that breaks no limit, with no
    reason; else the least loaded of `candidates` who may, and themselves where nobody may break less.

    `here`: they are at work in the incident it is for, so that it brings them no more work.
    """
    mine = paging([person], facts, limits, at)
    known = facts.get(person, Facts(person))
    if mine.person and not (strain.of_pages(known, limits, at) if here else mine.breaches):
        return Choice(person, "")
    return paging({person, *candidates}, facts, limits, at)


def relieving(person: str, candidates: Iterable[str], facts: Mapping[str, Facts], limits: Limits, start: int,
              end: int) -> Choice:  # fmt: skip
    """Who relieves `person`, who is at work and reaches a limit at `start`. Nobody ("") where each of them would break
    more by coming than `person` does by going on: a relief that makes it worse is none."""
    found = choose(candidates, facts, limits, start, end)
    if found.person and not found.breaches:
        return found
    going = strain.broken(facts.get(person, Facts(person)), limits, start, end, pages=0)
    if found.person and sum(b.over for b in found.breaches) < sum(b.over for b in going):
        return found
    zone_name = facts[person].zone if person in facts else "UTC"
    why = _listed(
        [
            *found.passed,
            *([Passed(found.person, _why(list(found.breaches), zone_name, start))] if found.person else []),
        ]
    )
    reason = f"nobody can relieve {person} without breaking more than going on does"
    return Choice("", reason + (f"; {why}" if why else ""), tuple(going), found.passed)


def load(one: Facts, at: int, end: int) -> Load:
    """What the duty [at, end) would cost this person's nights, and what they carried in the weeks before."""
    since = at - WEEKS * 7 * clock.DAY
    pages = [page for page in one.pages if since <= page < at]
    return Load(
        strain.night_at(one.zone, at) is not None,
        strain.in_nights(one.zone, at, end),
        sum(strain.night_at(one.zone, page) is not None for page in pages),
        len(pages),
        sum(min(b, at) - max(a, since) for a, b in one.work if a < at and b > since),
        max(0, 2 * clock.DAY - (rested(one, at) or 2 * clock.DAY)),
        one.person,
    )


def rested(one: Facts, at: int) -> int | None:
    """µs since they last worked in an incident or were paged; None: never, as far as it is recorded."""
    ends = [min(b, at) for a, b in one.work if a < at] + [page for page in one.pages if page < at]
    return at - max(ends) if ends else None


# -- in words --------------------------------------------------------------------------------------------------------


def _reason(one: Facts, start: int, passed: list[Passed]) -> str:
    return _carried(one, start) + (f"; passed over: {_listed(passed)}" if passed else "")


def _least_bad(one: Facts, breaches: list[Breach], start: int, others: list[Passed]) -> str:
    broken = _why(breaches, one.zone, start)
    rest = f"; the others: {_listed(others)}" if others else "; there is nobody else"
    return f"nobody may take it without breaking a limit; {one.person} breaks least: {broken}{rest}"


def _carried(one: Facts, start: int) -> str:
    had = load(one, start, start)
    nights = f"{had.night_pages} night page{'s' if had.night_pages != 1 else ''} in {WEEKS} weeks"
    since = rested(one, start)
    rest = "not called in them" if since is None else _rested(since)
    return f"{one.person}: {nights}, {rest}, {_time(one.zone, start)} there"


def _why(breaches: list[Breach], zone_name: str, start: int) -> str:
    return ", ".join(_breach(breach, zone_name, start) for breach in breaches)


def _breach(breach: Breach, zone_name: str, start: int) -> str:
    name = breach.limit.replace("_", " ")
    until = f", until {_time(zone_name, breach.until, start)} there" if breach.until is not None else ""
    return f"{name} ({breach.words}{until})"


def _listed(passed: list[Passed]) -> str:
    return "; ".join(f"{one.person}: {one.why}" for one in passed)


def _rested(micros: int) -> str:
    if micros < clock.MINUTE:
        return "at work until now"
    if micros >= 4 * clock.DAY:
        return f"rested {micros // clock.DAY} days"
    unit = clock.HOUR if micros >= clock.HOUR else clock.MINUTE
    return f"rested {micros // unit} {'h' if unit == clock.HOUR else 'min'}"


def _time(zone_name: str, at: int, now: int | None = None) -> str:
    """`09:00`, by that person's clock, wherever the reader is, who is told that it is there; with its day where it is not the day of `now`."""
    stamp = clock.iso(at, zone_name, precision="seconds")
    if now is not None and stamp[:10] != clock.iso(now, zone_name, precision="seconds")[:10]:
        return f"{clock.day_name(stamp[:10]).rpartition(' ')[0]} {stamp[11:16]}"
    return stamp[11:16]
