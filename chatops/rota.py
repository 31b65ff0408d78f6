"""What the commands about schedules share: which schedules are meant and from where, and how instants are told.

`--schedules FILE` is that file alone, without a store and without what was changed by command; else it is the
configuration in force with all that the record knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from chatops.documents import stamp as stamp
from incidents import clock
from incidents.errors import BadInput, NotFound
from incidents.near import near_hint
from incidents.oncall import versions

if TYPE_CHECKING:
    from chatops.vocabulary import Call
    from incidents.oncall.check import Known
    from incidents.oncall.schedule import Schedule, Schedules, Segment
    from incidents.oncall.versions import Rota

_BEFORE = 60 * clock.DAY  # so far back the begin of a running shift is looked for
_AFTER = 32 * clock.DAY  # so far after what was asked the end of a shift is looked for
_FAR = 750 * clock.DAY  # further ahead no change is looked for
LONGEST = 200 * 366 * clock.DAY  # of a span that is asked about
NOBODY = "nobody"


def read(call: Call, file: str | None) -> Rota:
    """The schedules that are meant. Raises Mistakes (all of the file's), BadInput where there is none at all."""
    if file is not None:
        rota = versions.of(read_file(call, file))
        where = file
    else:
        config = call.config
        where = config.path or ""
        rota = versions.read(call.store, config, call.now) if config.path else versions.of({})
    if not rota.names() and not any(one.schedules for one in rota.versions()):
        raise BadInput(
            f"there is no schedule in {where}" if where else "there is no schedule",
            hint="write them under schedules: in howdah.yaml, or name their file with --schedules",
        )
    return rota


def read_file(call: Call, file: str) -> Schedules:
    """The schedules of one file; what is doubtful in it is said beside the answer. Raises Mistakes."""
    from incidents.oncall import reading

    found = reading.load(file)
    for doubt in found.doubts:
        call.warn(str(doubt))
    return found.schedules


def chosen(rota: Rota, name: str | None, start: int | None = None, end: int | None = None) -> list[str]:
    """The schedule of that name, else all: those there are now, or that there were at `start` or in [start, end).
    Raises NotFound with the nearest name."""
    known = rota.names(start, end)
    if name is not None and name not in known:
        if name in rota.names():
            raise NotFound(
                f"there was no schedule {name!r} then", hint="it was added to the configuration later"
            )
        raise NotFound(f"there is no schedule {name!r}", hint=near_hint(name, known))
    if not known:
        when = "there is" if start is None else "at that time there is"
        raise NotFound(f"{when} no schedule", hint="write schedules: in howdah.yaml (docs/oncall.md)")
    return known if name is None else [name]


def second(call: Call, at: int | None = None) -> int:
    """`at`, else now, to the whole second, as schedules have their times."""
    return clock.whole(call.now if at is None else at)


def span(call: Call, start: int | None, end: int | None, usual: int) -> tuple[int, int]:
    """From now, for the usual length, where nothing else was said. Raises BadInput for one that is none."""
    start = second(call, start)
    end = start + usual if end is None else clock.whole(end)
    if start >= end:
        raise BadInput(
            f"--to ({told(call, end)}) is not after --from ({told(call, start)})", hint="the end is outside"
        )
    if end - start > LONGEST:
        raise BadInput("that is longer than 200 years", hint="ask for a part of it")
    return start, end


def must_be_known(call: Call, rota: Rota, person: str) -> None:
    """Raises NotFound for somebody who is neither in these schedules nor configured, with the nearest name."""
    known = {who for one in everything(call, rota) for who in one.people()}
    if person not in known and call.config.people.get(person) is None:
        raise NotFound(f"{person} stands in no schedule", hint=near_hint(person, sorted(known)))


def everything(call: Call, rota: Rota) -> list[Schedule]:
    """All schedules as they are now."""
    return [rota.schedule(name, call.now) for name in rota.names()]


# -- what is asked of several --------------------------------------------------------------------------------


class Duty(NamedTuple):
    """One shift of one person. Of one that is not `begun` the begin lies before `start`, of one that does not `ends`
    the end lies after `end`: both are further away than was looked."""

    start: int
    end: int
    schedule: str
    begun: bool = True
    ends: bool = True


def shifts_of(rota: Rota, person: str, start: int, end: int) -> list[Duty]:
    """The person's shifts that last at `start` or begin before `end`, whole where they are not months or years long."""
    from incidents.oncall import stints

    found = []
    for name in rota.names():
        first = start - (_BEFORE if person in rota.on_call(name, start) else 0)
        last = end + _AFTER
        if person in rota.on_call(name, last - 1):
            last = max(last, start + _FAR)
        for one in stints.stints(rota.shifts(name, first, last)):
            if one.person == person and one.end > start and one.start < end:
                found.append(Duty(one.start, one.end, name, one.start > first, one.end < last))
    return sorted(found)


def next_change(rota: Rota, name: str, at: int) -> Segment | None:
    """When somebody else is on call than at `at`, and who; None where that is more than two years away."""
    for far in (15 * clock.DAY, _FAR):
        found = rota.shifts(name, at, at + far)
        if len(found) > 1:
            return found[1]
    return None


# -- documents -----------------------------------------------------------------------------------------------


def document(name: str | None, of_one: dict[str, Any]) -> dict[str, Any]:
    """The document of the one schedule that was named, else those of all under their names."""
    return of_one[name] if name is not None else {"schedules": of_one}


def segments(found: Iterable[Segment]) -> list[dict[str, Any]]:
    return [{"start": stamp(one.start), "end": stamp(one.end), "on_call": list(one.people)} for one in found]


# -- for people ----------------------------------------------------------------------------------------------


def told(call: Call, at: int) -> str:
    """`Wed 9 Nov 18:00` in the person's zone, with its year where that is another."""
    when, today = (clock.iso(one, call.zone, precision="seconds") for one in (at, call.now))
    day = clock.day_name(when[:10])
    seconds = when[16:19] if when[17:19] != "00" else ""
    return f"{day if when[:4] != today[:4] else day.rpartition(' ')[0]} {when[11:16]}{seconds}"


def moment(call: Call, at: int) -> str:
    """The same with the zone, for what stands alone."""
    return f"{told(call, at)} ({call.zone})"


def span_words(call: Call, start: int, end: int) -> str:
    """`Wed 9 Nov 18:00 – 20:00`: the day of the end only where it is another."""
    first, last = told(call, start), told(call, end)
    if first.rpartition(" ")[0] == last.rpartition(" ")[0]:
        last = last.rpartition(" ")[2]
    return f"{first} – {last}"


def duty_words(call: Call, one: Duty) -> str:
    """The same of a shift: `until …` where its begin is not known, `always` where its end is not either."""
    if one.begun and one.ends:
        return span_words(call, one.start, one.end)
    if one.begun:
        return f"from {told(call, one.start)} on"
    return f"until {told(call, one.end)}" if one.ends else "always"


def length(start: int, end: int) -> str:
    return clock.words(end - start)


def coming(now: int, start: int) -> str:
    return "now" if start <= now else f"in {clock.words(start - now)}"


def names(people: Sequence[str], *, nobody: str = NOBODY) -> str:
    return ", ".join(people) or nobody


def known_people(call: Call) -> dict[str, Known] | None:
    """Who is configured, with what keeps pages from them; None where nobody is."""
    from incidents.oncall.check import Known

    people = call.config.people
    if not people:
        return None
    found = {}
    for name in people.names():
        person = people.get(name)
        assert person is not None
        reached = person.contacts or any(platform != "unix" for platform, _ in person.accounts)
        lacks = "" if reached else "has neither contacts nor an account of a chat"
        found[name] = Known(person.zone or "UTC", lacks)
    return found
