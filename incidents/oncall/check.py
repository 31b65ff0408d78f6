"""What a schedule lacks over a span of time, found before anybody is needed. Pure, and fast: a year of a thousand
schedules is a matter of seconds.

A `lack` is something that leaves a page without an answer or breaks a limit; a `note` is worth knowing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from incidents import clock
from incidents.oncall import gaps, jumps, stints, strain, windows
from incidents.oncall import rotation as turns
from incidents.oncall.limits import Limits
from incidents.oncall.resolve import Resolver
from incidents.oncall.schedule import Group, Layer, Schedule, Segment, Span
from incidents.oncall.zones import zone

DEFAULT = Limits()
LACK, NOTE = "lack", "note"
KINDS = (
    "empty",
    "gap",
    "unreachable",
    "rest",
    "consecutive_days",
    "doubled",
    "stranger",
    "hidden",
    "never",
    "clock",
)
_ROUND = 32 * clock.DAY  # what is looked at on either side, so that a turn of a month is seen whole
_TURNS = 26 * 7 * clock.DAY  # who has no turn in so long, and in one of their rotation, has none
_LONGEST = 3 * 366 * clock.DAY  # a rotation that takes longer is not waited for
_GLANCE = 15 * clock.DAY  # most layers show in two weeks that they are not hidden


class Finding(NamedTuple):
    """One finding in [start, end) (µs): `says` has no times in it but lengths and wall times; `do` is the cure."""

    kind: str  # one of KINDS
    state: str  # lack or note
    schedule: str
    start: int
    end: int
    says: str
    do: str = ""
    people: Group = ()


class Known(NamedTuple):
    """What is known of a person: the zone of their nights, and what keeps pages from them, or nothing."""

    zone: str = "UTC"
    lacks: str = ""


def check(
    schedule: Schedule, start: int, end: int, *,
    rules: Limits = DEFAULT, people: Mapping[str, Known] | None = None,
) -> list[Finding]:  # fmt: skip
    """All findings of one schedule, sorted by kind and time. `people` are those who are configured; None where nobody
    is, and then it is not asked who can be reached."""
    return check_all({schedule.name: schedule}, start, end, rules=rules, people=people)


def check_all(
    schedules: Mapping[str, Schedule], start: int, end: int, *,
    rules: Limits = DEFAULT, people: Mapping[str, Known] | None = None,
) -> list[Finding]:  # fmt: skip
    """The same of several, and what only shows of all together: who is in two places, whose rest another one breaks."""
    found: list[Finding] = []
    by_schedule: dict[str, list[stints.Stint]] = {}
    for name, schedule in schedules.items():
        resolver = Resolver(schedule)
        segments = resolver.shifts(start - _ROUND, end + _ROUND)
        by_schedule[name] = stints.stints(segments)
        found += _of_one(resolver, stints.cut(segments, start, end), start, end)
    if people is not None:
        found += _unreachable(by_schedule, (start, end), people)
    found += _strained(by_schedule, (start, end), rules, people or {})
    found += [
        Finding("doubled", NOTE, one.schedules[0], max(one.start, start), min(one.end, end),
                f"{one.person} is on call for {one.schedules[1]} as well", people=(one.person,))
        for one in stints.doubled(by_schedule)
        if one.end > start and one.start < end
    ]  # fmt: skip
    return sorted(found, key=lambda one: (KINDS.index(one.kind), one.start, one))


def lacking(findings: Iterable[Finding]) -> bool:
    return any(one.state == LACK for one in findings)


def _of_one(resolver: Resolver, segments: list[Segment], start: int, end: int) -> list[Finding]:
    schedule = resolver.schedule
    hidden = _hidden(schedule, start, end)
    found = [*_strangers(schedule, start, end), *_told_hidden(schedule, hidden, start, end)]
    found += _clocks(schedule, start, end)
    if any(one.people for one in segments):
        return [*found, *_gaps(schedule, segments, start, end), *_never(resolver, hidden, segments, start)]
    says = "nobody is on call in all this time"
    do = "add layers" if not schedule.layers else "see from, until, windows and absences of its layers"
    return [*found, Finding("empty", LACK, schedule.name, start, end, says, do)]


def _gaps(schedule: Schedule, segments: list[Segment], start: int, end: int) -> list[Finding]:
    found = []
    for gap in gaps.explained(schedule, segments, start, end):
        says = f"nobody for {clock.words(gap.end - gap.start)}" + (f": {gap.because}" if gap.because else "")
        found.append(Finding("gap", LACK, schedule.name, gap.start, gap.end, says, gap.do, gap.absent))
    return found


# -- people --------------------------------------------------------------------------------------------------


def _unreachable(
    by_schedule: Mapping[str, Sequence[stints.Stint]], asked: Span, people: Mapping[str, Known]
) -> list[Finding]:
    start, end = asked
    found = []
    for name, mine in by_schedule.items():
        first: dict[str, tuple[int, int]] = {}
        for one in mine:
            if one.end > start and one.start < end:
                first.setdefault(one.person, (max(one.start, start), min(one.end, end)))
        for who, (a, b) in first.items():
            lacks = people[who].lacks if who in people else "is not in people: of howdah.yaml"
            if lacks:
                do = f"people: {{{who}: {{contacts: {{phone: …}}}}}}"
                found.append(Finding("unreachable", LACK, name, a, b, f"{who} {lacks}", do, (who,)))
    return found


def _strained(
    by_schedule: Mapping[str, Sequence[stints.Stint]],
    asked: Span,
    rules: Limits,
    people: Mapping[str, Known],
) -> list[Finding]:
    """Whose limits these shifts break by themselves, over all schedules, in the span asked about: a rest that begins to
    be lacking in it, days in a row that go on in it. What is over is no matter."""
    start, end = asked
    seen = (start - _ROUND, end + _ROUND)
    found: list[Finding] = []
    named: dict[str, set[str]] = {}
    everything: list[stints.Stint] = []
    for name, mine in by_schedule.items():
        everything += mine
        for one in mine:
            named.setdefault(one.person, set()).add(name)
    for who, spans in stints.by_person(everything).items():
        zone_name = people[who].zone if who in people else "UTC"
        told: dict[tuple[str, int], Finding] = {}  # by limit and end of what is one row of days
        for at, breach in strain.in_schedule(who, spans, rules, zone_name, seen):
            until = breach.until or at
            key = (breach.limit, at)
            if breach.limit == "consecutive_days":
                before = next((end for limit, end in told if limit == breach.limit and end >= at), None)
                at = told.pop((breach.limit, before)).start if before is not None else at
                key = (breach.limit, until)
            says = f"{who}: {breach.words}"
            schedules = ", ".join(sorted(named[who]))
            told[key] = Finding(breach.limit, LACK, schedules, at, until, says, people=(who,))
        for made in told.values():
            begun = made.start >= start or (made.kind == "consecutive_days" and made.end - clock.DAY > start)
            if begun and made.start < end:
                found.append(made._replace(start=max(made.start, start)))
    return found


# -- what has no effect --------------------------------------------------------------------------------------


def _strangers(schedule: Schedule, start: int, end: int) -> list[Finding]:
    """Overrides and swaps that name somebody who stands on no layer."""
    known = set(gaps.on_layers(schedule))
    known_later = (
        known | {one.add for one in schedule.overrides} | {u for one in schedule.overrides for u in one.users}
    )
    known_later |= {one.to for one in schedule.swaps if one.status == "taken"}
    found = []
    for one in schedule.overrides:
        if one.start < end and one.end > start:
            for who in sorted({one.add, *one.users} - known - {""}):
                says = f"{one.kind} puts {who} on call, who is on no layer"
                found.append(
                    Finding("stranger", NOTE, schedule.name, one.start, one.end, says, people=(who,))
                )
            if one.remove and one.remove not in known_later:
                says = f"{one.kind} of {one.remove} changes nothing: they are on no layer"
                found.append(
                    Finding("stranger", NOTE, schedule.name, one.start, one.end, says, people=(one.remove,))
                )
    for swap in schedule.swaps:
        if swap.start < end and swap.end > start and swap.status in ("open", "taken"):
            if swap.giver not in known:
                says = f"a swap of {swap.giver} changes nothing: they are on no layer"
                found.append(
                    Finding("stranger", NOTE, schedule.name, swap.start, swap.end, says, people=(swap.giver,))
                )
            if swap.to and swap.to not in known:
                says = f"a swap gives time to {swap.to}, who is on no layer"
                found.append(
                    Finding("stranger", NOTE, schedule.name, swap.start, swap.end, says, people=(swap.to,))
                )
    return found


def _hidden(schedule: Schedule, start: int, end: int) -> list[Layer]:
    """Layers that never come to an answer, because a higher one always has somebody."""
    if schedule.union or len({layer.level for layer in schedule.layers}) < 2:
        return []
    suspects = _covered(schedule, schedule.layers, start, min(end, start + _GLANCE))
    if suspects and end > start + _GLANCE:
        suspects = _covered(schedule, suspects, start, end)
    return suspects


def _told_hidden(schedule: Schedule, hidden: Iterable[Layer], start: int, end: int) -> list[Finding]:
    do = "raise its level, or drop it"
    return [
        Finding("hidden", NOTE, schedule.name, start, end,
                f"layer {layer.id} is hidden all the time: a higher level always has somebody", do)
        for layer in hidden
    ]  # fmt: skip


def _never(
    resolver: Resolver, hidden: Sequence[Layer], segments: Sequence[Segment], start: int
) -> list[Finding]:
    """Who has turns on a layer that shows, and is never on call: their turns lie outside of its windows, say."""
    seen = {who for one in segments for who in one.people}
    found = []
    for layer in resolver.schedule.layers:
        until = min(_cycle(layer, start), layer.until)
        missing = sorted({who for group in _groups(layer) for who in group} - seen)
        if not missing or layer in hidden or until <= start or until - start > _LONGEST:
            continue
        seen |= {who for one in resolver.shifts(start, until) for who in one.people}
        for who in missing:
            if who not in seen:
                far = clock.words(until - start)
                says = f"{who} is on layer {layer.id} and never on call in the next {far}"
                do = "their turns lie outside of its windows, others stand before them, or they are absent"
                found.append(Finding("never", NOTE, resolver.schedule.name, start, until, says, do, (who,)))
    return found


def _groups(layer: Layer) -> Sequence[Group]:
    return layer.rotation.participants if layer.rotation else (layer.users,)


def _cycle(layer: Layer, start: int) -> int:
    """When everybody of this layer has had their turn, by its rotation alone, and not sooner than in half a year."""
    begin = max(start, layer.since)
    if layer.rotation is None:
        return begin + _TURNS
    days = windows.days(layer)
    turn = turns.turn_at(layer.rotation, days, begin)
    return max(
        begin + _TURNS, turns.start_of(layer.rotation, days, turn.k + 1 + len(layer.rotation.participants))
    )


def _covered(schedule: Schedule, suspects: Sequence[Layer], start: int, end: int) -> list[Layer]:
    """Those of `suspects` that have somebody in [start, end) only while a higher level has."""
    spans = {layer.id: _manned(schedule, layer, start, end) for layer in schedule.layers}
    found = []
    for layer in suspects:
        above = [span for other in schedule.layers if other.level > layer.level for span in spans[other.id]]
        if spans[layer.id] and not stints.minus(spans[layer.id], windows.joined(sorted(above))):
            found.append(layer)
    return found


def _manned(schedule: Schedule, layer: Layer, start: int, end: int) -> list[Span]:
    """When this layer has somebody, by turn, window, swap and absence."""
    start, end = max(start, layer.since), min(end, layer.until)
    if start >= end:
        return []
    if schedule.absences or not (all(layer.rotation.participants) if layer.rotation else layer.users):
        alone = Resolver(schedule._replace(layers=(layer,), overrides=(), temporary=()))
        return windows.joined([(one.start, one.end) for one in alone.shifts(start, end) if one.people])
    if not layer.windows:
        return [(start, end)]
    open_ = windows.spans(layer.windows, zone(layer.zone), start, end)
    return [(max(a, start), min(b, end)) for a, b in open_]


# -- clocks --------------------------------------------------------------------------------------------------


def _clocks(schedule: Schedule, start: int, end: int) -> list[Finding]:
    return [
        Finding("clock", NOTE, schedule.name, one.at, one.at, jumps.words(one), people=one.people)
        for one in jumps.jumps(schedule, start, end)
    ]
