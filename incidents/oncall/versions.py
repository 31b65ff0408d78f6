"""The schedule in force at an instant: every version that the record has, the current one, and what was changed by
command.

A question about an instant is answered from the version in force then: the last one first seen at or before it;
before the first version that was seen, the first one; from now on the current configuration. A version whose text
can no longer be read, or is redacted, is passed over with a doubt. Asking about now reads no old version.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from incidents import clock
from incidents.errors import HowdahError, Mistakes, NotFound
from incidents.near import near_hint
from incidents.oncall import applied, windows
from incidents.oncall import changes as by_command
from incidents.oncall.changes import Changes
from incidents.oncall.resolve import Explanation, Resolver
from incidents.oncall.schedule import FIRST, Group, Schedule, Segment

if TYPE_CHECKING:
    from incidents.config import Config
    from incidents.events import Event
    from incidents.store.protocol import Store


class Version(NamedTuple):
    """One version of the schedules, in force from `since` (µs, a whole second) until the next; `digest` is SHA-256 hex
    of the file's text, `name` its path. What was made by command is not in it."""

    since: int
    schedules: Mapping[str, Schedule]
    digest: str = ""
    name: str = ""


class Rota:
    """Who is on call, at any instant. Instants are µs; every method raises NotFound for a name that no version in
    question has."""

    def __init__(
        self,
        current: Version,
        changes: Changes = by_command.NONE,
        earlier: Callable[[list[str]], Sequence[Version]] = lambda doubts: (),
    ):
        self.changes = changes
        # Versions that could not be read, in sentences, as far as they were asked for.
        self.doubts: list[str] = []
        self._current, self._earlier = current, earlier
        self._versions: list[Version] | None = None
        self._resolvers: dict[tuple[int, str], Resolver] = {}

    def also(self, changes: Changes) -> Rota:
        """The same versions with these changes by command instead."""
        other = Rota(self._current, changes, lambda doubts: self.versions()[:-1])
        other.doubts = self.doubts
        return other

    def versions(self) -> list[Version]:
        """The oldest first; the current one is the last."""
        if self._versions is None:
            self._versions = [*self._earlier(self.doubts), self._current]
        return self._versions

    def names(self, start: int | None = None, end: int | None = None) -> list[str]:
        """The schedules of the current version, as the file has them; else those of the version in force at `start`,
        or of all that are in [start, end), the latest first."""
        if start is None:
            return list(self._current.schedules)
        numbers = range(self._version(start), self._version(start if end is None else end - 1) + 1)
        return list(dict.fromkeys(name for number in reversed(numbers) for name in self._schedules(number)))

    def there(self, name: str, start: int, end: int) -> list[Segment]:
        """The final schedule in [start, end), as `shifts`, without the times in which no version had it."""
        spans = windows.joined([(a, b) for a, b, resolver in self._eras(name, start, end) if resolver])
        return [one for a, b in spans for one in self.shifts(name, a, b)]

    def schedule(self, name: str, at: int) -> Schedule:
        """As it was in force at that instant, changes by command included."""
        return self._resolver(name, self._version(at)).schedule

    def on_call(self, name: str, at: int) -> Group:
        return self._resolver(name, self._version(at)).on_call(at)

    def explain(self, name: str, at: int) -> Explanation:
        return self._resolver(name, self._version(at)).explain(at)

    def shifts(self, name: str, start: int, end: int) -> list[Segment]:
        """The final schedule over the whole of [start, end), neighbours with equal people joined; nobody while a
        version had no such schedule."""
        return applied.joined(
            piece
            for a, b, resolver in self._eras(name, start, end)
            for piece in (resolver.shifts(a, b) if resolver else [Segment(a, b, ())])
        )

    def handoffs(self, name: str, start: int, end: int) -> dict[str, list[int]]:
        """By layer, every edge of every turn that touches [start, end); an edge that a turn would have had in a time
        when another version was in force is none."""
        found: dict[str, set[int]] = {}
        for a, b, resolver in self._eras(name, start, end):
            for layer, edges in resolver.handoffs(a, b).items() if resolver else ():
                kept = {at for at in edges if (a == start or at >= a) and (b == end or at <= b)}
                found.setdefault(layer, set()).update(kept)
        return {layer: sorted(edges) for layer, edges in found.items()}

    # -- which version

    def _version(self, at: int) -> int:
        """Its number: 0 is the current one, -1 the one before, and so on."""
        if at >= self._current.since:
            return 0
        versions = self.versions()
        return max(bisect_right(versions, at, key=lambda version: version.since) - 1, 0) - len(versions) + 1

    def _schedules(self, number: int) -> Mapping[str, Schedule]:
        return (self._current if number == 0 else self.versions()[number - 1]).schedules

    def _resolver(self, name: str, number: int) -> Resolver:
        resolver = self._resolvers.get((number, name))
        if resolver is None:
            if name not in self._schedules(number):
                raise self._unknown(name, number)
            made = Resolver(self.changes.applied(self._schedules(number)[name]))
            resolver = self._resolvers[(number, name)] = made
        return resolver

    def _eras(self, name: str, start: int, end: int) -> list[tuple[int, int, Resolver | None]]:
        """[start, end) cut where the schedule changed; None where there was none. Raises NotFound where it never is."""
        if start >= end:
            self._resolver(name, self._version(start))
            return []
        numbers = range(self._version(start), self._version(end - 1) + 1)
        starts = [self.versions()[number - 1].since for number in numbers[1:]]
        found: list[tuple[int, int, Resolver | None]] = []
        for number, (a, b) in zip(numbers, pairwise([start, *starts, end]), strict=True):
            resolver = self._resolver(name, number) if name in self._schedules(number) else None
            last = found[-1][2] if found else None
            if found and (last and last.schedule) == (resolver and resolver.schedule):
                found[-1] = (found[-1][0], b, last)
            elif a < b:
                found.append((a, b, resolver))
        if all(resolver is None for _, _, resolver in found):
            raise self._unknown(name, numbers[-1])
        return found

    def _unknown(self, name: str, number: int) -> NotFound:
        known = self._schedules(number)
        if name in self._current.schedules:
            hint = "the current configuration has it, the version in force then had not"
            return NotFound(f"there was no schedule {name!r} then", hint=hint)
        if not known:
            return NotFound("there is no schedule", hint="write schedules: in howdah.yaml (docs/oncall.md)")
        return NotFound(f"there is no schedule {name!r}", hint=near_hint(name, known))


def of(schedules: Mapping[str, Schedule]) -> Rota:
    """One version, for ever, and nothing that was made by command."""
    return Rota(Version(FIRST, schedules))


def read(store: Store, config: Config, now: int) -> Rota:
    """What the record and the current configuration say. `now` (µs) is the instant from which on `config` is in
    force where the record has not seen it; a call's own `now`."""
    digest = hashlib.sha256(config.text.encode()).hexdigest()
    current = Version(clock.whole(now), config.schedules, digest, config.path or "")
    changes = by_command.fold(store.events(by_command.STREAM))
    return Rota(current, changes, lambda doubts: _earlier(store, current, doubts))


def _earlier(store: Store, current: Version, doubts: list[str]) -> list[Version]:
    """What the record has seen before `current`, sorted; none of it begins later than that."""
    found: list[Version] = []
    for event in store.events("system"):
        if event.kind != "config.seen":
            continue
        when = f"the configuration first seen as {event.stream}#{event.seq}"
        if event.redacted:
            doubts.append(f"{when} is redacted: answers for its time are those of the version before it")
            continue
        digest, name = event.data["digest"], event.data["name"]
        try:
            schedules = _schedules(text_of(store, event), name)
        except HowdahError as error:
            why = str(error).split("\n")[0]
            doubts.append(
                f"{when} cannot be read: answers for its time are those of the version before ({why})"
            )
            continue
        found.append(Version(clock.whole(event.at), schedules, digest, name))
    found.sort(key=lambda version: version.since)
    return [version for version in found if version.since < current.since]


def text_of(store: Store, event: Event) -> str:
    """The configuration of a `config.seen`. Raises NotFound where it is evidence that is gone."""
    if event.evidence:
        return store.get_blob(event.evidence[0].sha256).decode(errors="replace")
    return str(event.data["text"])


def _schedules(text: str, path: str) -> Mapping[str, Schedule]:
    """The section `schedules:` of a whole configuration; what is wrong elsewhere is no matter here. Raises Mistakes."""
    from incidents import yamlfile
    from incidents.oncall import reading

    if not any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines()):
        return {}
    limits = {"max_bytes": yamlfile.CONFIG_BYTES, "max_values": yamlfile.CONFIG_VALUES}
    root = yamlfile.parse(text, path, **limits)
    if root.kind != "map" or "schedules" not in root.value:
        return {}
    read = reading.parse(root.value["schedules"], path)
    if read.mistakes:
        raise Mistakes(read.mistakes)
    return read.schedules
